import Compute
import Model

/// How far one quantity of a case is from its expected value.
public struct Comparison: Codable, Equatable, Sendable {
    public enum Measure: String, Codable, Sendable {
        /// L2 norm of the difference over that of the expected values.
        case relative
        /// Largest difference.
        case absolute
    }

    /// Such as `outputs/model_output`.
    public let quantity: String
    public let measure: Measure
    public let error: Double
    public let tolerance: Double

    /// False for a NaN.
    public var passes: Bool { error <= tolerance }
}

/// How far a run may be from expected values that were computed in float64.
struct Tolerance {
    /// Of outputs, losses and trajectories.
    let output: Double
    /// Of one tensor's gradient.
    let gradient: Double
    /// Of all tensors' gradients together.
    let gradients: Double
    /// Of trained weights: AdamW makes as much of a small gradient as of a large one.
    let trained: Double
    /// Of what an autoencoder makes of images and latents.
    let autoencoder: Double

    /// Tables of doubles, and features that follow from them.
    static let table = 1e-9
    static let feature = 2e-5

    init(_ precision: Precision) {
        switch precision {
        case .float32: (output, gradient, gradients, trained, autoencoder) = (1e-6, 2e-6, 2e-6, 2e-4, 1e-5)
        // What PyTorch's autocast shows on the same cases: 3.3e-3 to 6.8e-3, 9.1e-3, 5.5e-3.
        case .bf16: (output, gradient, gradients, trained, autoencoder) = (7e-3, 1e-2, 6e-3, 5e-2, 2e-2)
        }
    }
}

extension Comparison {
    /// Relative L2; where everything expected is zero, the largest difference instead.
    static func of(
        _ quantity: String, _ actual: some Collection<Float>, _ expected: some Collection<Float>, _ tolerance: Double
    ) -> Comparison {
        of(quantity, actual.map(Double.init), expected.map(Double.init), tolerance)
    }

    static func of(_ quantity: String, _ actual: [Double], _ expected: [Double], _ tolerance: Double) -> Comparison {
        guard actual.count == expected.count else {
            return Comparison(quantity: quantity, measure: .absolute, error: .infinity, tolerance: tolerance)
        }
        var difference = 0.0
        var norm = 0.0
        for (a, e) in zip(actual, expected) where a != e {  // equal infinities differ by nothing
            difference += (a - e) * (a - e)
        }
        for e in expected where e.isFinite { norm += e * e }
        if norm == 0 { return absolute(quantity, actual, expected, tolerance) }
        return Comparison(
            quantity: quantity, measure: .relative, error: (difference / norm).squareRoot(), tolerance: tolerance)
    }

    static func absolute(
        _ quantity: String, _ actual: [Double], _ expected: [Double], _ tolerance: Double
    ) -> Comparison {
        var largest = actual.count == expected.count ? 0.0 : .infinity
        for (a, e) in zip(actual, expected) where a != e {
            let difference = (a - e).magnitude
            // A NaN is no larger than anything, and nothing is larger than it; it must win, and stay.
            if !(difference <= largest), !largest.isNaN { largest = difference }
        }
        return Comparison(quantity: quantity, measure: .absolute, error: largest, tolerance: tolerance)
    }

    /// One tensor of weights or gradients. The key third of an attention's bias shifts all scores of a query
    /// alike, so its true gradient is zero and what is left is rounding: it is judged absolutely, apart.
    static func ofTensor(
        _ group: String, _ parameter: Parameter, _ flat: FloatBuffer, _ expected: [Float], _ tolerance: Double
    ) -> [Comparison] {
        let actual = flat[parameter.range].array
        let name = "\(group)/\(parameter.name)"
        guard parameter.name.hasSuffix("attn.qkv.bias"), actual.count == expected.count else {
            return [of(name, actual, expected, tolerance)]
        }
        let third = actual.count / 3
        let key = third..<2 * third
        let rest = Array(0..<third) + Array(2 * third..<actual.count)
        return [
            of(name, rest.map { actual[$0] }, rest.map { expected[$0] }, tolerance),
            absolute(
                "\(name) [key]", key.map { Double(actual[$0]) }, key.map { Double(expected[$0]) }, tolerance),
        ]
    }
}
