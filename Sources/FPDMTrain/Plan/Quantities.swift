import ArgumentParser
import Evaluation

/// An amount of memory as people write it: 64GB, 48GiB, or 64G as Slurm means it.
struct MemoryAmount {
    let bytes: Int

    private static let units: [String: Double] = [
        "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
        "kib": 0x1p10, "mib": 0x1p20, "gib": 0x1p30, "tib": 0x1p40, "k": 0x1p10, "m": 0x1p20, "g": 0x1p30, "t": 0x1p40,
    ]

    /// - Throws: `ValidationError`
    init(_ argument: String) throws {
        guard let bytes = quantity(argument, Self.units), 1..<1e18 ~= bytes else {
            throw ValidationError("a number and a unit: MB, GB, TB, or MiB, GiB, TiB, such as 64GB; below 1,000,000 TB")
        }
        self.bytes = Int(bytes)
    }
}

/// A network's rate as people write it: 10gbit, 200Gbit/s, or 1.25GB/s.
struct NetworkAmount {
    let rate: NetworkRate

    private static let units: [String: Double] = [
        "kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "tbit": 1e12, "mb/s": 8e6, "gb/s": 8e9,
    ]

    /// - Throws: `ValidationError`
    init(_ argument: String) throws {
        // B is bytes, b bits.
        var text = argument.hasSuffix("b/s") ? argument.dropLast(3) + "bit" : argument
        text = text.lowercased()
        for suffix in ["/s", "ps"] where text.hasSuffix("bit" + suffix) { text.removeLast(suffix.count) }
        guard let bits = quantity(text, Self.units), 1e3..<1e16 ~= bits else {
            throw ValidationError("a number and a unit: mbit, gbit (a second), or MB/s, GB/s, such as 10gbit")
        }
        rate = NetworkRate(bitsPerSecond: bits)
    }
}

/// A positive number and a unit, in the unit that all are multiples of; nil for anything else.
private func quantity(_ text: String, _ units: [String: Double]) -> Double? {
    let text = text.lowercased()
    let digits = text.prefix { $0.isNumber || $0 == "." }
    let unit = text.dropFirst(digits.count).drop { $0 == " " }
    guard let number = Double(digits), number > 0, let factor = units[String(unit)] else { return nil }
    return number * factor
}
