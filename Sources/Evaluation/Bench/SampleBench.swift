import Compute
import Diffusion
import Distributed
import Jobs
import Model
import Sampling
import Training

/// How long it takes to draw images: DDIM with guidance, as `fpdm sample` does it, from weights that mean nothing.
public struct SampleBench {
    public struct Settings: Equatable, Sendable {
        public var model = ModelConfiguration()
        /// Images at once.
        public var batch = 8
        /// Sampling steps.
        public var steps = 20
        /// Of each step; a DiT ignores them.
        public var iterations = 8
        /// 1 is none.
        public var guidance = 4.0
        /// Runs measured.
        public var repeats = 1

        public init() {}

        /// Bytes of memory, about.
        public func bytes(_ engine: Engine) -> Int {
            // Weights, and what a training state has besides.
            4 * ParameterTable(model).flatCount * MemoryLayout<Float>.stride
                + Network.bytes(model, capacity: 2 * batch, use: .inference, engine: engine)
        }
    }

    public struct Result: Codable, Equatable, Sendable {
        public let model: String
        public let precision: String
        public let backend: String
        public let threads: Int
        public let batch: Int
        public let steps: Int
        public let iterations: Int
        public let guidance: Double
        public let repeats: Int
        /// The median.
        public let secondsPerRun: Double
        public let secondsFastest: Double
        public let secondsPerImage: Double
        /// See `StepFLOPs`.
        public let flopsPerRun: Double
        public let flopsPerSecond: Double
        /// Of the best product with packed weights, in the same run.
        public let bestProductFlops: Double
        /// The most memory that the process has held.
        public let peakBytes: Int
    }

    private let settings: Settings
    private let engine: Engine
    private let random = TrainingRandom(seed: 2)

    public init(_ settings: Settings, engine: Engine) { (self.settings, self.engine) = (settings, engine) }

    /// - Throws: `DiffusionError` for a number of steps that the schedule has not.
    public func run() throws -> Result {
        let (model, batch) = (settings.model, settings.batch)
        let state = TrainingState(ParameterTable(model))
        state.startForBench()
        let (arena, x) = Arena.build("images") { $0.take(batch * model.imageValues) }
        defer { withExtendedLifetime(arena) {} }
        let clock = ContinuousClock()
        func seconds(_ sampler: ImageSampler) -> Double {
            for image in 0..<batch {
                random.validationNoise(
                    sample: image, into: x.base + image * model.imageValues, count: model.imageValues)
            }
            let begin = clock.now
            sampler.load(state.weights)
            sampler.sample(
                x, count: batch, labels: .classes((0..<batch).map { $0 * 37 % model.classes }),
                unconditional: .classes([Int](repeating: model.classes, count: batch))
            ) { _, _, _ in preconditionFailure("DDIM adds no noise") }
            return (clock.now - begin).seconds
        }
        // One evaluation of the network warms up.
        _ = seconds(try sampler(steps: 1))
        let sampler = try sampler(steps: settings.steps)
        var times = [seconds(sampler)]
        let peak = ProcessMemory.peak
        let best = BestProduct(engine, model)
        best.measure(seconds: 0.2)
        while times.count < settings.repeats {
            times.append(seconds(sampler))
            best.measure(seconds: 0.2)
        }
        let flops = StepFLOPs(model).sampling(
            images: batch, isGuided: settings.guidance != 1, steps: settings.steps, iterations: settings.iterations)
        return Result(
            model: model.publishedName ?? model.inWords, precision: engine.precision.rawValue,
            backend: engine.name, threads: engine.pool.threadCount, batch: batch, steps: settings.steps,
            iterations: settings.iterations, guidance: settings.guidance, repeats: settings.repeats,
            secondsPerRun: times.median, secondsFastest: times.min() ?? 0,
            secondsPerImage: times.median / Double(batch), flopsPerRun: flops, flopsPerSecond: flops / times.median,
            bestProductFlops: best.flops,
            peakBytes: peak)
    }

    private func sampler(steps: Int) throws -> ImageSampler {
        let model = settings.model
        var options = ImageSampler.Options(iterations: [Int](repeating: settings.iterations, count: steps))
        options.guidance = settings.guidance
        let sampler = try Sampler(
            DiffusionConfiguration(), learnSigma: model.learnSigma, channels: model.channels,
            pixels: model.imageSize * model.imageSize, kind: .ddim, respacing: String(steps))
        return ImageSampler(model, sampler: sampler, options: options, engine: engine, capacity: settings.batch)
    }
}
