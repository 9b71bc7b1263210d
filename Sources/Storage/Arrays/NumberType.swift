/// The type of an array's numbers, as NumPy describes it: byte order, kind, bytes.
public struct NumberType: Equatable, Sendable {
    public enum Kind: Character, Sendable {
        case bool = "b"
        case signed = "i"
        case unsigned = "u"
        case float = "f"
    }

    public let kind: Kind
    /// Bytes of a number.
    public let width: Int
    let isBigEndian: Bool

    /// - Parameter description: as `<f4` or `|u1`; nil for what is no plain number.
    init?(_ description: some StringProtocol) {
        var text = Substring(description)
        isBigEndian = text.first == ">"
        if let order = text.first, "<>|=".contains(order) { text.removeFirst() }
        guard let letter = text.first, let kind = Kind(rawValue: letter), let width = Int(text.dropFirst()) else {
            return nil
        }
        let widths: [Int] =
            switch kind {
            case .bool: [1]
            case .signed, .unsigned: [1, 2, 4, 8]
            case .float: [2, 4, 8]
            }
        guard widths.contains(width) else { return nil }
        (self.kind, self.width) = (kind, width)
    }

    /// Whether a number is a whole one from 0 to 255. Yes and no are numbers from 0 to 1.
    public var isByte: Bool { width == 1 && kind == .unsigned }
    public var isInteger: Bool { kind != .float }

    /// The number at an offset, as a double: whole ones beyond 2^53 are rounded.
    func double(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Double {
        switch (kind, width) {
        case (.float, 2): Double(Float16(bitPattern: load(bytes, offset)))
        case (.float, 4): Double(Float(bitPattern: load(bytes, offset)))
        case (.float, _): Double(bitPattern: load(bytes, offset))
        case (.signed, 1): Double(Int8(bitPattern: load(bytes, offset)))
        case (.signed, 2): Double(Int16(bitPattern: load(bytes, offset)))
        case (.signed, 4): Double(Int32(bitPattern: load(bytes, offset)))
        case (.signed, _): Double(Int64(bitPattern: load(bytes, offset)))
        case (_, 1): Double(load(bytes, offset) as UInt8)
        case (_, 2): Double(load(bytes, offset) as UInt16)
        case (_, 4): Double(load(bytes, offset) as UInt32)
        default: Double(load(bytes, offset) as UInt64)
        }
    }

    private func load<Bits: FixedWidthInteger & BitwiseCopyable>(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Bits
    {
        let bits = bytes.loadUnaligned(fromByteOffset: offset, as: Bits.self)
        return isBigEndian ? Bits(bigEndian: bits) : Bits(littleEndian: bits)
    }
}
