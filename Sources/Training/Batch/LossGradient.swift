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

    /// A microbatch: clean images [B, C, S, S] in [-1, 1], noise of the same shape, steps and labels [B].
    public struct Microbatch {
        public var images: FloatBuffer
        public var noise: FloatBuffer
        public var timesteps: [Int]
        public var labels: Labels
        public var drop: [Bool]?

        public init(images: FloatBuffer, noise: FloatBuffer, timesteps: [Int], labels: Labels, drop: [Bool]?) {
            self.images = images
            self.noise = noise
            self.timesteps = timesteps
            self.labels = labels
            self.drop = drop
        }
    }

    /// - Parameters:
    ///   - capacity: samples of the largest microbatch.
    ///   - iterations: most fixed-point iterations with a gradient.
    /// - Throws: `DiffusionError` for an objective that cannot be.
    public init(
        _ model: ModelConfiguration, _ diffusion: DiffusionConfiguration, engine: Engine, capacity: Int,
        activations: ActivationMode, iterations: Int
    ) throws {
        self.engine = engine
        objective = try Objective(
            diffusion, learnSigma: model.learnSigma, channels: model.channels,
            pixels: model.imageSize * model.imageSize)
        network = Network(
            model, engine: engine, capacity: capacity, use: .training(activations: activations, iterations: iterations))
        (arena, (noised, outputGradient)) = Arena.build("microbatch") { Self.take($0, model, capacity) }
    }

    private static func take(
        _ arena: Arena, _ model: ModelConfiguration, _ capacity: Int
    ) -> (FloatBuffer, FloatBuffer) {
        (arena.take(capacity * model.imageValues), arena.take(capacity * model.outputValues))
    }

    /// Bytes of a network and its objective, without taking them.
    static func bytes(
        _ model: ModelConfiguration, capacity: Int, activations: ActivationMode, iterations: Int, threads: Int
    ) -> Int {
        Network.bytes(
            model, capacity: capacity, use: .training(activations: activations, iterations: iterations),
            threads: threads)
            + Arena.measure("microbatch") { take($0, model, capacity) } * MemoryLayout<Float>.stride
    }

    public var bytes: Int { network.bytes + arena.bytes }

    /// Adds the gradient of scale * (sum of the samples' losses) to `gradients`, and sets each sample's loss.
    ///
    /// - Parameters:
    ///   - losses: [B]
    ///   - gradients: a flat vector; nil for the losses alone.
    ///   - onLosses: called when the losses are there, before the backward pass.
    public func accumulate(
        _ batch: Microbatch, weights: FloatBuffer, iterations: Iterations, scale: Double, gradients: FloatBuffer?,
        losses: UnsafeMutableBufferPointer<Objective.Loss>, onLosses: () -> Void = {}
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
        network.forward(input, weights: weights, iterations: iterations)
        engine.pool.parallelFor(samples) { sample, _ in
            let start = sample * c.imageValues
            losses[sample] = objective.loss(
                output: network.output.base + sample * c.outputValues, x0: batch.images.base + start,
                noise: batch.noise.base + start, t: batch.timesteps[sample], gradientScale: scale,
                gradient: gradients == nil ? nil : outputGradient.base + sample * c.outputValues)
        }
        onLosses()
        if let gradients {
            network.backward(
                input, outputGradient: outputGradient, weights: weights, gradients: gradients, iterations: iterations)
        }
    }

    /// `accumulate` with the losses as its result.
    public func losses(
        _ batch: Microbatch, weights: FloatBuffer, iterations: Iterations, scale: Double, gradients: FloatBuffer?,
        onLosses: () -> Void = {}
    ) -> [Objective.Loss] {
        var losses = [Objective.Loss](repeating: .init(), count: batch.timesteps.count)
        losses.withUnsafeMutableBufferPointer {
            accumulate(
                batch, weights: weights, iterations: iterations, scale: scale, gradients: gradients, losses: $0,
                onLosses: onLosses)
        }
        return losses
    }
}
