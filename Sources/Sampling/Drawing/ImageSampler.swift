import Compute
import Diffusion
import Model

/// Draws images from a network: a sampler's steps.
///
/// Every value of an image follows from its own start, label and noise. What shares its batch changes nothing, but for last
/// bits with libraries whose rows depend on their place (`MatrixBackend.hasIndependentRows`).
public final class ImageSampler {
    /// How to sample, beyond the sampler's own settings.
    public struct Options: Equatable, Sendable {
        /// Classifier-free guidance (arXiv 2207.12598); 1 is none.
        public var guidance = 1.0
        /// Channels that guidance acts on, the first ones; nil: all image channels.
        public var guidedChannels: Int?
        /// Training steps within which guidance acts (arXiv 2404.07724); nil: all.
        public var guidanceInterval: GuidanceInterval?
        /// Fixed-point iterations of each step, in sampling order, for each evaluation in it; a DiT ignores them.
        public var iterations: [Int]
        /// A solve ends for a sample once its relative residual is less (`SolveControl`), and the iterations that are left over
        /// go to its later steps; 0: all are made.
        public var tolerance = 0.0
        /// States that Anderson acceleration of the solves remembers; nil for plain iterations (`SolveMethod`).
        public var solverMemory: Int?
        /// Starts each solve from the solution of the one before (arXiv 2401.08741, section 3.2).
        public var reuseSolution = false

        public init(iterations: [Int]) { self.iterations = iterations }

        var isGuided: Bool { guidance != 1 }
    }

    public let sampler: Sampler
    public let options: Options
    /// Most images at once.
    public let capacity: Int

    let engine: Engine
    let model: ModelConfiguration
    let network: GuidedNetwork
    private let arena: Arena
    let noise: FloatBuffer  // [B, C, S, S]
    /// Of a step that asks twice: its first output, [B, C, S, S].
    private let first: FloatBuffer

    public init(
        _ model: ModelConfiguration, sampler: Sampler, options: Options, engine: Engine, capacity: Int
    ) {
        precondition(!model.fixedPoint || options.iterations.count == sampler.count, "iterations for every step")
        (self.model, self.sampler, self.options) = (model, sampler, options)
        (self.engine, self.capacity) = (engine, capacity)
        network = GuidedNetwork(model, options: options, engine: engine, capacity: capacity)
        let asksTwice = (0..<sampler.count).contains { sampler.evaluations(at: $0) > 1 }
        let (arena, buffers) = Arena.build("sampling") { arena in
            (arena.take(capacity * model.imageValues), arena.take(asksTwice ? capacity * model.imageValues : 0))
        }
        self.arena = arena
        (noise, first) = buffers
    }

    public var bytes: Int { network.bytes + arena.bytes }

    /// Takes over a flat vector of weights, which must stay where it is; to be called before the first images.
    public func load(_ weights: FloatBuffer) { network.network.load(weights) }

    /// Turns noise into images.
    ///
    /// - Parameters:
    ///   - x: [B, C, S, S], the start; becomes the images. B is at most `capacity`.
    ///   - labels: of the B images.
    ///   - unconditional: labels of the unguided half; needed with guidance only.
    ///   - noiseOf: fills the noise of (step index, image).
    ///   - onEvaluation: called after each evaluation of the network.
    ///   - onStep: called after each step with its position in sampling order and the images so far.
    /// - Returns: the fixed-point iterations of each image, with guidance those of both halves; none of a DiT.
    @discardableResult public func sample(
        _ x: FloatBuffer, count: Int, labels: Labels, unconditional: Labels,
        noiseOf: (_ index: Int, _ image: Int, _ output: UnsafeMutablePointer<Float>) -> Void,
        onEvaluation: () -> Void = {}, onStep: (_ position: Int, _ x: FloatBuffer) -> Void = { _, _ in }
    ) -> [Int] {
        precondition(count >= 1 && count <= capacity, "more images than planned")
        network.begin(count: count, labels: labels, unconditional: unconditional)
        for position in 0..<sampler.count {
            let index = sampler.count - 1 - position
            let iterations = model.fixedPoint ? options.iterations[position] : 0
            network.evaluate(x, at: sampler.originalTimestep(at: index), iterations: iterations)
            onEvaluation()
            if sampler.usesNoise(at: index) {
                for image in 0..<count { noiseOf(index, image, noise.base + image * model.imageValues) }
            }
            step(x, index: index, count: count)
            if let second = sampler.secondTimestep(at: index) {
                network.evaluate(x, at: second, iterations: iterations)
                onEvaluation()
                correct(x, index: index, count: count)
            }
            onStep(position, x)
        }
        return network.iterations
    }

    private func step(_ x: FloatBuffer, index: Int, count: Int) {
        let (values, asksTwice) = (model.imageValues, sampler.evaluations(at: index) > 1)
        engine.pool.parallelFor(count) { [network, sampler, noise, first] image, _ in
            let (start, output) = (x.base + image * values, network.output(image))
            if asksTwice { (first.base + image * values).update(from: output, count: values) }
            sampler.step(
                index: index, x: start, output: output,
                noise: sampler.usesNoise(at: index) ? UnsafePointer(noise.base + image * values) : nil, next: start)
        }
    }

    private func correct(_ x: FloatBuffer, index: Int, count: Int) {
        let values = model.imageValues
        engine.pool.parallelFor(count) { [network, sampler, first] image, _ in
            sampler.correct(
                index: index, first: first.base + image * values, second: network.output(image),
                next: x.base + image * values)
        }
    }
}
