import Compute
import Model
import TestSupport

/// A network with memory of its own for everything that its caller provides.
final class Harness {
    let network: Network
    private let arena: Arena
    private let weights, gradients, images, outputGradient, initial: FloatBuffer

    init(
        _ variant: Variant, _ arithmetic: Arithmetic = .oneDNN, threads: Int = 2, capacity: Int = Variant.samples,
        use: NetworkUse? = nil, weights values: [Float]? = nil
    ) throws {
        let c = variant.configuration
        network = Network(
            c, engine: try arithmetic.engine(threads: threads), capacity: capacity,
            use: use ?? .training(activations: .keep, iterations: variant.iterations.withGradient))
        let flat = network.table.flatCount
        (arena, (weights, gradients, images, outputGradient, initial)) = Arena.build("test") { arena in
            (
                arena.take(flat), arena.take(flat), arena.take(capacity * c.imageValues),
                arena.take(capacity * c.outputValues), arena.take(capacity * c.tokens * c.width)
            )
        }
        weights.copy(from: values ?? Self.weights(network.table))
        network.load(weights)
    }

    /// Weights under which every parameter matters: a fresh network's output is 0 whatever its input.
    static func weights(_ table: ParameterTable) -> [Float] {
        var flat = [Float](repeating: 0, count: table.flatCount)
        for (i, p) in table.parameters.enumerated() {
            let scale: Float
            if p.shape.count > 1 {
                scale = 1.5 / Float(p.range.count / p.shape[0]).squareRoot()
            } else {
                scale = 0.3
            }
            let values = randomFloats(p.range.count, seed: UInt64(1000 + i), scale: scale)
            flat.replaceSubrange(p.range, with: values)
        }
        return flat
    }

    struct Outcome {
        var output: [Float]
        /// [B, T, D], empty for a DiT.
        var solution: [Float]
    }

    private func input(_ batch: Batch) -> Network.Input {
        images.copy(from: batch.images)
        return Network.Input(
            images: images, timesteps: batch.timesteps, labels: batch.labels, drop: batch.drop)
    }

    func forward(
        _ batch: Batch, _ iterations: Iterations, initial start: [Float]? = nil,
        onState: ((Int, FloatBuffer) -> Void)? = nil, control: SolveControl? = nil
    ) -> Outcome {
        var solution: [Float] = []
        if let start { initial.copy(from: start) }
        network.forward(
            input(batch), iterations: iterations, initial: start == nil ? nil : initial,
            onSolution: { solution = $0.array }, onState: onState, control: control)
        let c = network.configuration
        return Outcome(
            output: network.output.slice(0, batch.timesteps.count * c.outputValues).array, solution: solution)
    }

    /// Adds to the gradients, and returns them.
    func backward(_ batch: Batch, _ iterations: Iterations, gradient: [Float]) -> [Float] {
        outputGradient.copy(from: gradient)
        network.backward(
            input(batch), outputGradient: outputGradient, gradients: gradients, iterations: iterations)
        return gradients.array
    }

    /// Other weights from now on.
    func load(_ values: [Float]) {
        weights.copy(from: values)
        network.load(weights)
    }

    func clearGradients() { gradients.fill(0) }

    /// The gradient of a batch's output that the tests use.
    static func outputGradient(_ batch: Batch, seed: UInt64 = 77) -> [Float] {
        randomFloats(batch.timesteps.count * batch.configuration.outputValues, seed: seed)
    }

    /// Output, solution and gradients of one training pass.
    func train(_ variant: Variant, _ batch: Batch) -> [Float] {
        clearGradients()
        let outcome = forward(batch, variant.iterations)
        return outcome.output + outcome.solution
            + backward(batch, variant.iterations, gradient: Self.outputGradient(batch))
    }
}
