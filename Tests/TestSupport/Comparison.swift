import Testing

/// |actual - expected| / |expected| in the Euclidean norm; infinite where a value is not a number, so that an
/// output that was never written (workspaces start as NaN) cannot pass.
public func relativeError(_ actual: [Float], _ expected: [Double]) -> Double {
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

public func expectClose(
    _ actual: [Float], _ expected: [Double], within tolerance: Double, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let error = relativeError(actual, expected)
    #expect(error <= tolerance, "\(what): relative error \(error)", sourceLocation: sourceLocation)
}

/// Equal as bits, so that NaN equals itself and -0 differs from 0.
public func expectSameBits(
    _ actual: [Float], _ expected: [Float], _ what: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(actual.count == expected.count, "\(what): lengths differ", sourceLocation: sourceLocation)
    let different = zip(actual, expected).filter { $0.bitPattern != $1.bitPattern }.count
    #expect(different == 0, "\(what): \(different) of \(actual.count) values differ", sourceLocation: sourceLocation)
}

/// The gradient of `f` at `x` by central differences; f is smooth and of order 1, so the error is about 1e-9.
public func finiteDifferences(at x: [Double], step: Double = 1e-5, _ f: ([Double]) -> Double) -> [Double] {
    var x = x
    return x.indices.map { i in
        let old = x[i]
        x[i] = old + step
        let above = f(x)
        x[i] = old - step
        let below = f(x)
        x[i] = old
        return (above - below) / (2 * step)
    }
}

public func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

extension Array where Element == Float {
    public var doubles: [Double] { map(Double.init) }
}
