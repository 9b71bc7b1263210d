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
        public let samplesPerSecond: Double
        /// See `StepFLOPs`.
        public let flopsPerRun: Double
        public let flopsPerSecond: Double
        /// Of the best product with packed weights, in the same run.
        public let bestProductFlops: Double
        /// The most memory that the process has held.
        public let peakBytes: Int
        public let phases: Phases
        /// Of the network's evaluations.
        public let kernels: [PhaseKernels]
    }

    /// Seconds of a run's parts, each the median over the runs.
    public struct Phases: Codable, Equatable, Sendable {
        /// The weights are taken over into the layout of products.
        public let packing: Double
        /// The network's evaluations.
        public let network: Double
        /// From the network's output to the next image; guidance counts as the network's.
        public let sampler: Double
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
        func measured(_ sampler: ImageSampler) -> Run {
            for image in 0..<batch {
                random.validationNoise(
                    sample: image, into: x.base + image * model.imageValues, count: model.imageValues)
            }
            var run = Run(engine.pool.clock)
            sampler.load(state.weights)
            run.lap(\.packing)
            sampler.sample(
                x, count: batch, labels: .classes((0..<batch).map { $0 * 37 % model.classes }),
                unconditional: .classes([Int](repeating: model.classes, count: batch)),
                noiseOf: { _, _, _ in preconditionFailure("DDIM adds no noise") },
                onEvaluation: { run.lap(\.network) }, onStep: { _, _ in run.lap(\.sampler) })
            return run
        }
        // One evaluation of the network warms up.
        _ = measured(try sampler(steps: 1))
        let sampler = try sampler(steps: settings.steps)
        engine.pool.clock.isRunning = true
        var runs = [measured(sampler)]
        let peak = ProcessMemory.peak
        let best = BestProduct(engine, model)
        best.measure(seconds: 0.2)
        while runs.count < settings.repeats {
            runs.append(measured(sampler))
            best.measure(seconds: 0.2)
        }
        engine.pool.clock.isRunning = false
        let times = runs.map(\.seconds)
        func median(_ phase: KeyPath<Run, Double>) -> Double { runs.map { $0[keyPath: phase] }.median }
        let flops = StepFLOPs(model).sampling(
            images: batch, isGuided: settings.guidance != 1, steps: settings.steps, iterations: settings.iterations)
        return Result(
            model: model.publishedName ?? model.inWords, precision: engine.precision.rawValue,
            backend: engine.name, threads: engine.pool.threadCount, batch: batch, steps: settings.steps,
            iterations: settings.iterations, guidance: settings.guidance, repeats: settings.repeats,
            secondsPerRun: times.median, secondsFastest: times.min() ?? 0,
            secondsPerImage: times.median / Double(batch), samplesPerSecond: Double(batch) / times.median,
            flopsPerRun: flops, flopsPerSecond: flops / times.median,
            bestProductFlops: best.flops, peakBytes: peak,
            phases: Phases(
                packing: median(\.packing), network: median(\.network), sampler: median(\.sampler)),
            kernels: [
                PhaseKernels(
                    "network", seconds: runs.map(\.network), readings: runs.flatMap(\.readings),
                    threads: engine.pool.threadCount)
            ])
    }

    /// A run, and the clock beside it.
    private struct Run {
        var packing = 0.0, network = 0.0, sampler = 0.0
        /// Of the network's evaluations.
        private(set) var readings: [KernelClock.Reading] = []
        var seconds: Double { packing + network + sampler }

        private let kernels: KernelClock
        private var begin = ContinuousClock.now
        private var reading: KernelClock.Reading

        init(_ kernels: KernelClock) { (self.kernels, reading) = (kernels, kernels.reading) }

        /// What has passed since the last lap belongs to this phase.
        mutating func lap(_ phase: WritableKeyPath<Run, Double>) {
            let (now, reading) = (ContinuousClock.now, kernels.reading)
            self[keyPath: phase] += (now - begin).seconds
            if phase == \.network { readings.append(reading - self.reading) }
            (begin, self.reading) = (now, reading)
        }
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
