import Compute
import Diffusion
import Model

/// Draws images from a network: a sampler's steps, with guidance and the reuse of fixed-point solutions.
///
/// Every value of an image follows from its own start, label and noise; what shares its batch changes nothing with oneDNN.
/// With OpenBLAS its last bits may depend on its position in the batch, and on how many share it (`Product`).
public final class ImageSampler {
    /// How to sample, beyond the sampler's own settings.
    public struct Options: Equatable, Sendable {
        /// Classifier-free guidance (arXiv 2207.12598); 1 is none.
        public var guidance = 1.0
        /// Channels that guidance acts on, the first ones; nil: all image channels.
        public var guidedChannels: Int?
        /// Fixed-point iterations of each step, in sampling order; a DiT ignores them.
        public var iterations: [Int]
        /// Starts each solve from the solution of the step before (arXiv 2401.08741, section 3.2).
        public var reuseSolution = false

        public init(iterations: [Int]) { self.iterations = iterations }

        var isGuided: Bool { guidance != 1 }
    }

    public let sampler: Sampler
    public let options: Options
    /// Most images at once.
    public let capacity: Int

    private let engine: Engine
    private let network: Network
    private let arena: Arena
    private let images: FloatBuffer  // [2 B, C, S, S] with guidance, else [B, C, S, S]
    private let noise: FloatBuffer  // [B, C, S, S]
    private let guided: FloatBuffer  // [B, O, S, S]
    private let solution: FloatBuffer  // [2 B, T, D] or [B, T, D]

    public init(
        _ model: ModelConfiguration, sampler: Sampler, options: Options, engine: Engine, capacity: Int
    ) {
        precondition(!model.fixedPoint || options.iterations.count == sampler.count, "iterations for every step")
        self.sampler = sampler
        self.options = options
        self.capacity = capacity
        self.engine = engine
        let samples = options.isGuided ? 2 * capacity : capacity
        network = Network(model, engine: engine, capacity: samples, use: .inference)
        let reuse = options.reuseSolution && model.fixedPoint
        let (arena, buffers) = Arena.build("sampling") { arena in
            (
                images: arena.take(samples * model.imageValues), noise: arena.take(capacity * model.imageValues),
                guided: arena.take(options.isGuided ? capacity * model.outputValues : 0),
                solution: arena.take(reuse ? samples * model.tokens * model.width : 0)
            )
        }
        self.arena = arena
        (images, noise, guided, solution) = (buffers.images, buffers.noise, buffers.guided, buffers.solution)
    }

    public var bytes: Int { network.bytes + arena.bytes }

    /// Takes over a flat vector of weights, which must stay where it is; to be called before the first images.
    public func load(_ weights: FloatBuffer) { network.load(weights) }

    /// Turns noise into images.
    ///
    /// - Parameters:
    ///   - x: [B, C, S, S], the start; becomes the images. B is at most `capacity`.
    ///   - labels: of the B images.
    ///   - unconditional: labels of the unguided half; needed with guidance only.
    ///   - noiseOf: fills the noise of (step index, image).
    ///   - onStep: called after each step with its position in sampling order and the images so far.
    public func sample(
        _ x: FloatBuffer, count: Int, labels: Labels, unconditional: Labels,
        noiseOf: (_ index: Int, _ image: Int, _ output: UnsafeMutablePointer<Float>) -> Void,
        onStep: (_ position: Int, _ x: FloatBuffer) -> Void = { _, _ in }
    ) {
        precondition(count >= 1 && count <= capacity, "more images than planned")
        let c = network.configuration
        let doubled = options.isGuided ? 2 * count : count
        let both = options.isGuided ? Self.joined(labels, unconditional) : labels
        let solutionCount = doubled * c.tokens * c.width
        var hasSolution = false
        for position in 0..<sampler.count {
            let index = sampler.count - 1 - position
            images.copy(from: x.slice(0, count * c.imageValues))
            if options.isGuided {
                images.slice(count * c.imageValues, count * c.imageValues).copy(
                    from: x.slice(0, count * c.imageValues))
            }
            let input = Network.Input(
                images: images,
                timesteps: [Int](repeating: sampler.originalTimestep(at: index), count: doubled), labels: both)
            let iterations = c.fixedPoint ? options.iterations[position] : 0
            network.forward(
                input, iterations: Iterations(withoutGradient: iterations, withGradient: 0),
                initial: hasSolution ? solution.slice(0, solutionCount) : nil
            ) { newest in
                guard self.options.reuseSolution else { return }
                self.solution.copy(from: newest)
                hasSolution = true
            }
            if sampler.usesNoise(at: index) {
                for image in 0..<count { noiseOf(index, image, noise.base + image * c.imageValues) }
            }
            step(x, index: index, count: count)
            onStep(position, x)
        }
    }

    private func step(_ x: FloatBuffer, index: Int, count: Int) {
        let c = network.configuration
        let output = network.output
        engine.pool.parallelFor(count) { image, _ in
            var result = output.base + image * c.outputValues
            if options.isGuided {
                Guidance.combine(
                    conditional: result, unconditional: output.base + (count + image) * c.outputValues,
                    scale: options.guidance, guidedChannels: options.guidedChannels, channels: c.channels,
                    outputChannels: c.outputChannels, pixels: c.imageSize * c.imageSize,
                    into: guided.base + image * c.outputValues)
                result = guided.base + image * c.outputValues
            }
            let start = x.base + image * c.imageValues
            sampler.step(
                index: index, x: start, output: result,
                noise: sampler.usesNoise(at: index) ? UnsafePointer(noise.base + image * c.imageValues) : nil,
                next: start)
        }
    }

    private static func joined(_ first: Labels, _ second: Labels) -> Labels {
        switch (first, second) {
        case (.classes(let a), .classes(let b)): .classes(a + b)
        case (.continuous(let a), .continuous(let b)): .continuous(a + b)
        default: first
        }
    }
}
