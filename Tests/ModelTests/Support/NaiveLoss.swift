import Model
import TestSupport

/// The sum of the naive network's outputs times the tests' gradient of them, as a function of the weights.
///
/// The state that enters the iterations with a gradient is a constant (S-JFB, arXiv 2401.08741): it is formed once. Of an
/// unrolled solve nothing is.
struct NaiveLoss {
    private var network: NaiveNetwork
    private let samples: [NaiveNetwork.Sample]
    private let entering: [NaiveNetwork.Rows?]
    private let outputGradient: [Float]
    private let iterations: Int

    /// - Parameter gradient: what of the variant's iterations is differentiated.
    init(_ variant: Variant, _ batch: Batch, gradient: SolveGradient = .sjfb) {
        let table = ParameterTable(variant.configuration)
        let network = NaiveNetwork(table, Harness.weights(table))
        self.network = network
        samples = batch.naive
        let (n, m) = (variant.iterations.withoutGradient, variant.iterations.withGradient)
        let constant =
            switch gradient {
            case .sjfb: n
            case .jfb: n + m - 1
            case .unroll: 0
            }
        entering = samples.map {
            gradient == .unroll ? nil : network.forward($0, iterations: constant).states.last
        }
        outputGradient = Harness.outputGradient(batch)
        iterations = n + m - constant
    }

    private var value: Double {
        var sum = 0.0
        for (i, sample) in samples.enumerated() {
            let output = network.forward(sample, iterations: iterations, initial: entering[i]).output
            for (j, value) in output.enumerated() { sum += value * Double(outputGradient[i * output.count + j]) }
        }
        return sum
    }

    /// Its slope along a direction, by central differences.
    mutating func slope(_ range: Range<Int>, _ direction: [Double], step: Double = 1e-5) -> Double {
        let old = network.weights
        defer { network.weights = old }
        for (i, d) in zip(range, direction) { network.weights[i] = old[i] + step * d }
        let above = value
        for (i, d) in zip(range, direction) { network.weights[i] = old[i] - step * d }
        return (above - value) / (2 * step)
    }
}
