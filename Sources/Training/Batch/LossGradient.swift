import Compute
import Diffusion
import Model

/// Network and objective joined: the losses of a microbatch, and their gradient.
public final class LossGradient {
    public let network: Network
    public let objective: Objective
    private let engine: Engine
    private let arena: Arena
    private let noised: FloatBuffer  // [B, C, S, S]
    private let outputGradient: FloatBuffer  // [B, O, S, S]

    /// A microbatch: clean images [B, C, S, S] in [-1, 1], noise of the same shape, steps and labels [B], and what each
    /// sample's loss counts in the gradient [B], 1 if not told.
    public struct Microbatch {
        public var images: FloatBuffer
        public var noise: FloatBuffer
        public var timesteps: [Int]
        public var labels: Labels
        public var drop: [Bool]?
        public var weights: [Double]?

        public init(
            images: FloatBuffer, noise: FloatBuffer, timesteps: [Int], labels: Labels, drop: [Bool]?,
            weights: [Double]? = nil
        ) {
            self.images = images
            self.noise = noise
            self.timesteps = timesteps
            self.labels = labels
            self.drop = drop
            self.weights = weights
        }
    }

    /// - Parameters:
    ///   - capacity: samples of the largest microbatch.
    ///   - iterations: most fixed-point iterations with a gradient.
    ///   - backward: what the gradient goes through.
    /// - Throws: `DiffusionError` for an objective that cannot be.
    public init(
        _ model: ModelConfiguration, _ diffusion: DiffusionConfiguration, engine: Engine, capacity: Int,
        activations: ActivationMode, iterations: Int, backward: SolveGradient = .sjfb
    ) throws {
        self.engine = engine
        objective = try Objective(
            diffusion, learnSigma: model.learnSigma, channels: model.channels,
            pixels: model.imageSize * model.imageSize)
        network = Network(
            model, engine: engine, capacity: capacity,
            use: .training(activations: activations, iterations: iterations, gradient: backward))
        (arena, (noised, outputGradient)) = Arena.build("microbatch") { Self.take($0, model, capacity) }
    }

    private static func take(
        _ arena: Arena, _ model: ModelConfiguration, _ capacity: Int
    ) -> (FloatBuffer, FloatBuffer) {
        (arena.take(capacity * model.imageValues), arena.take(capacity * model.outputValues))
    }

    /// Bytes of a network and its objective, without taking them.
    static func bytes(
        _ model: ModelConfiguration, capacity: Int, activations: ActivationMode, iterations: Int,
        backward: SolveGradient = .sjfb, engine: Engine
    ) -> Int {
        Network.bytes(
            model, capacity: capacity,
            use: .training(activations: activations, iterations: iterations, gradient: backward), engine: engine)
            + Arena.measure("microbatch") { take($0, model, capacity) } * MemoryLayout<Float>.stride
    }

    public var bytes: Int { network.bytes + arena.bytes }

    /// Takes over the weights as they are now (`Network.load`).
    public func load(_ weights: FloatBuffer) { network.load(weights) }

    /// Adds the gradient of scale * (sum of the samples' losses, each times its weight) to `gradients`, and sets each
    /// sample's loss, without the weight.
    ///
    /// - Parameters:
    ///   - losses: [B]
    ///   - gradients: a flat vector; nil for the losses alone.
    ///   - meter: is told the states of the fixed-point solve.
    ///   - onLosses: called when the losses are there, before the backward pass.
    public func accumulate(
        _ batch: Microbatch, iterations: Iterations, scale: Double, gradients: FloatBuffer?,
        losses: UnsafeMutableBufferPointer<Objective.Loss>, meter: ResidualMeter? = nil, onLosses: () -> Void = {}
    ) {
        let c = network.configuration
        let samples = batch.timesteps.count
        precondition(losses.count == samples, "one loss a sample")
        engine.pool.parallelFor(samples) { sample, _ in
            let start = sample * c.imageValues
            objective.addNoise(
                x0: batch.images.base + start, noise: batch.noise.base + start, t: batch.timesteps[sample],
                into: noised.base + start)
        }
        let input = Network.Input(
            images: noised, timesteps: batch.timesteps, labels: batch.labels, drop: batch.drop)
        network.forward(input, iterations: iterations, onState: meter.map { meter in { meter.record($0, $1) } })
        engine.pool.parallelFor(samples) { sample, _ in
            let start = sample * c.imageValues
            losses[sample] = objective.loss(
                output: network.output.base + sample * c.outputValues, x0: batch.images.base + start,
                noise: batch.noise.base + start, t: batch.timesteps[sample],
                gradientScale: scale * (batch.weights?[sample] ?? 1),
                gradient: gradients == nil ? nil : outputGradient.base + sample * c.outputValues)
        }
        onLosses()
        if let gradients {
            network.backward(
                input, outputGradient: outputGradient, gradients: gradients, iterations: iterations)
        }
    }

    /// `accumulate` with the losses as its result.
    public func losses(
        _ batch: Microbatch, iterations: Iterations, scale: Double, gradients: FloatBuffer?,
        meter: ResidualMeter? = nil, onLosses: () -> Void = {}
    ) -> [Objective.Loss] {
        var losses = [Objective.Loss](repeating: .init(), count: batch.timesteps.count)
        losses.withUnsafeMutableBufferPointer {
            accumulate(
                batch, iterations: iterations, scale: scale, gradients: gradients, losses: $0, meter: meter,
                onLosses: onLosses)
        }
        return losses
    }
}
