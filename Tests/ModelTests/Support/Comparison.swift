import Testing

/// |actual - expected| / |expected| in the Euclidean norm; infinite where a value is not a number.
func relativeError(_ actual: [Float], _ expected: [Double]) -> Double {
    guard actual.count == expected.count else { return .infinity }
    var difference = 0.0
    var norm = 0.0
    for (a, e) in zip(actual, expected) {
        difference += (Double(a) - e) * (Double(a) - e)
        norm += e * e
    }
    if difference == 0 { return 0 }
    let error = (difference / norm).squareRoot()
    return error.isNaN ? .infinity : error
}

func expectClose(
    _ actual: [Float], _ expected: [Double], within tolerance: Double, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let error = relativeError(actual, expected)
    #expect(error <= tolerance, "\(what): relative error \(error)", sourceLocation: sourceLocation)
}

/// Equal as bits, and numbers.
func expectSameBits(
    _ actual: [Float], _ expected: [Float], _ what: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(actual.count == expected.count, "\(what): lengths differ", sourceLocation: sourceLocation)
    let different = zip(actual, expected).filter { $0.bitPattern != $1.bitPattern }.count
    #expect(different == 0, "\(what): \(different) of \(actual.count) values differ", sourceLocation: sourceLocation)
    #expect(actual.allSatisfy { $0.isFinite }, "\(what): not a number", sourceLocation: sourceLocation)
}

extension Array where Element == Float {
    var doubles: [Double] { map(Double.init) }
}

/// Deterministic values in -1 ..< 1, from a generator (SplitMix64) of the tests' own.
func randomFloats(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    return (0..<count).map { _ in
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        return (Float(z >> 40) * 0x1p-23 - 1) * scale
    }
}
