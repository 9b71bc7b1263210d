import Compute
import TestSupport
import Testing

/// The upper half of a float, in the plainest form: by distances in double.
enum BFloat16 {
    static func value(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

    /// The nearest, and of two as near the even one; NaN for NaN.
    static func bits(_ value: Float) -> UInt16 {
        if value.isNaN { return 0x7FC0 }
        let below = UInt16(value.bitPattern >> 16)
        if !value.isFinite { return below }
        // Beyond the largest number lies what would be the next one.
        let above = below + 1
        let (lower, upper) = (extended(below), extended(above))
        let (down, up) = (abs(Double(value) - lower), abs(upper - Double(value)))
        if down == up { return below % 2 == 0 ? below : above }
        return down < up ? below : above
    }

    static func rounded(_ value: Float) -> Float { Self.value(bits(value)) }

    private static func extended(_ bits: UInt16) -> Double {
        let value = Double(Self.value(bits))
        return value.isInfinite ? (value < 0 ? -0x1p128 : 0x1p128) : value
    }
}

extension Element {
    /// A value as this type holds it.
    func rounded(_ value: Float) -> Float { self == .float32 ? value : BFloat16.rounded(value) }
    func rounded(_ values: [Float]) -> [Float] { values.map(rounded) }
}

/// Results that were stored in an element type: in float32 close in norm; in bfloat16 each one within half a unit in the
/// last place of the exact one, beside float32's own error.
func expectStored(
    _ actual: [Float], _ expected: [Double], _ element: Element, within tolerance: Double, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard element == .bfloat16 else {
        return expectClose(actual, expected, within: tolerance, what, sourceLocation: sourceLocation)
    }
    #expect(actual.count == expected.count, "\(what): lengths differ", sourceLocation: sourceLocation)
    let size = (expected.reduce(0) { $0 + $1 * $1 } / Double(max(expected.count, 1))).squareRoot()
    let far = zip(actual, expected).filter { !(abs(Double($0) - $1) <= 0x1p-8 * abs($1) + 8 * tolerance * size) }
    #expect(
        far.isEmpty, "\(what): \(far.count) of \(actual.count) are off, such as \(far.first ?? (0, 0))",
        sourceLocation: sourceLocation)
}

@Suite("Storing bfloat16")
struct BFloat16Tests {
    private func stored(_ values: [Float]) -> [Float] {
        withWorkspace { memory in
            let target = memory.matrix(rows: 1, columns: values.count, .bfloat16)
            Rows.copy(memory.matrix(values, columns: values.count), to: target, rows: 1)
            return target.array(rows: 1)
        }
    }

    @Test("rounds to the nearest, ties to even", arguments: [1, 15, 16, 17, 20_000])
    func rounds(_ count: Int) {
        var values = RandomStream(seed: 1, purpose: 250).normals(count)
        for (index, exponent) in zip(0..<count, -120...127) {
            values[index] *= Float(sign: .plus, exponent: exponent, significand: 1)
        }
        values = values.filter { $0.isNormal }
        expectSameBits(stored(values), values.map(BFloat16.rounded), "random")
    }

    @Test("borders")
    func borders() {
        // Ties between an even and an odd one, what lies beside them, the largest, and both zeros and infinities.
        let patterns: [UInt32] = [
            0x3F80_8000, 0x3F81_8000, 0x3F80_7FFF, 0x3F80_8001, 0x3F81_7FFF, 0x3F81_8001, 0x3FFF_8000, 0x3FFF_7FFF,
            0x7F7F_7FFF, 0x7F7F_8000, 0x7F7F_FFFF, 0x0080_0000, 0x0080_8000, 0, 0x7F80_0000,
        ]
        let values = patterns.flatMap { [Float(bitPattern: $0), Float(bitPattern: $0 | 0x8000_0000)] }
        expectSameBits(stored(values), values.map(BFloat16.rounded), "borders")
        let both = Array(zip(patterns, stored(patterns.map { Float(bitPattern: $0) })))
        #expect(both[0].1 == 1 && both[1].1.bitPattern == 0x3F82_0000, "ties")
        #expect(both[8].1.isFinite && both[9].1 == .infinity && both[10].1 == .infinity, "the largest")
        #expect(both[14].1 == .infinity)
    }

    @Test("NaN stays NaN, whatever bits say so")
    func nan() {
        let values: [Float] = [0x7F80_0001, 0x7F80_8000, 0x7FC0_0000, 0x7FFF_FFFF, 0xFF80_0001, 0xFFFF_FFFF].map {
            Float(bitPattern: $0)
        }
        #expect(stored(values).allSatisfy { $0.isNaN })
        #expect(stored([0] + values).first == 0)
    }

    /// The processor's instruction takes them for zeros.
    @Test("what is no normal number is rounded, or becomes a zero of its sign")
    func subnormal() {
        let values = [1, 0x7FFF, 0x8000, 0x12_3456, 0x7F_0000].flatMap {
            [Float(bitPattern: $0), Float(bitPattern: $0 | 0x8000_0000)]
        }
        for (value, actual) in zip(values, stored(values)) {
            #expect(actual.sign == value.sign && (actual == 0 || actual == BFloat16.rounded(value)))
        }
    }

    @Test("it reads back as it was")
    func readsBack() {
        withWorkspace { memory in
            let values = randomFloats(70, seed: 1).map(BFloat16.rounded)
            let (half, back) = (memory.matrix(values, columns: 35, .bfloat16), memory.matrix(rows: 2, columns: 35))
            Rows.copy(half, to: back, rows: 2)
            expectSameBits(back.array(rows: 2), values, "values")
        }
    }
}
