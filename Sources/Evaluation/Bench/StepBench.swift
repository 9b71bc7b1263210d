import Compute
import Diffusion
import Distributed
import Jobs
import Model
import Training

/// How long a training step takes on one process: what `Trainer` does, but for reading samples and meeting other ranks.
public struct StepBench {
    public struct Settings: Equatable, Sendable {
        public var model = ModelConfiguration()
        /// Samples of a step.
        public var batch = 16
        /// Samples in the network at once.
        public var microbatch = 16
        /// The same in every step; a DiT ignores them.
        public var iterations = Iterations(withoutGradient: 5, withGradient: 6)
        public var activations = ActivationMode.keep
        /// Steps measured, after one that warms up.
        public var steps = 3

        public init() {}

        /// Bytes of memory, about.
        public func bytes(_ engine: Engine) -> Int {
            // Weights, average, two moments, gradient.
            5 * ParameterTable(model).flatCount * MemoryLayout<Float>.stride
                + Network.bytes(model, capacity: microbatch, use: use, engine: engine)
        }

        fileprivate var use: NetworkUse { .training(activations: activations, iterations: iterations.withGradient) }
    }

    public struct Result: Codable, Equatable, Sendable {
        public let model: String
        public let precision: String
        public let activations: String
        public let backend: String
        public let threads: Int
        public let batch: Int
        public let microbatch: Int
        /// Without and with a gradient.
        public let iterations: [Int]
        public let steps: Int
        /// The median.
        public let secondsPerStep: Double
        public let secondsFastest: Double
        public let samplesPerSecond: Double
        /// See `StepFLOPs`.
        public let flopsPerStep: Double
        public let flopsPerSecond: Double
        /// Of the best product with packed weights, in the same run.
        public let bestProductFlops: Double
        /// The most memory that the process has held.
        public let peakBytes: Int
        /// The mean loss of the last step: not finite where something is wrong.
        public let loss: Double
        public let phases: Phases
    }

    /// Seconds of a step's parts, each the median over the steps.
    public struct Phases: Codable, Equatable, Sendable {
        /// The weights are taken over into the layout of products.
        public let packing: Double
        /// Noise, timesteps and drops are drawn.
        public let noise: Double
        /// Noise added, the network forward, the loss.
        public let forward: Double
        public let backward: Double
        /// Gradients into the order-free sum, and out of it; their norm.
        public let sum: Double
        /// AdamW, and the average of the weights.
        public let optimizer: Double
    }

    private let settings: Settings
    private let engine: Engine

    public init(_ settings: Settings, engine: Engine) { (self.settings, self.engine) = (settings, engine) }

    /// - Throws: `DiffusionError` for an objective that cannot be.
    public func run() throws -> Result {
        let work = try StepWork(settings, engine: engine)
        for step in 0...settings.steps {
            if step == 1 { work.forgetTimes() }
            work.step(step)
        }
        let (seconds, peak) = (work.seconds, ProcessMemory.peak)
        let flops = StepFLOPs(settings.model).step(batch: settings.batch, iterations: settings.iterations)
        let phase = work.phases.mapValues(\.median)
        return Result(
            model: settings.model.publishedName ?? settings.model.inWords, precision: engine.precision.rawValue,
            activations: settings.activations.rawValue, backend: engine.name, threads: engine.pool.threadCount,
            batch: settings.batch, microbatch: settings.microbatch,
            iterations: [settings.iterations.withoutGradient, settings.iterations.withGradient], steps: settings.steps,
            secondsPerStep: seconds.median, secondsFastest: seconds.min() ?? 0,
            samplesPerSecond: Double(settings.batch) / seconds.median, flopsPerStep: flops,
            flopsPerSecond: flops / seconds.median,
            bestProductFlops: KernelBench(engine: engine, seconds: 0.2).bestProduct(width: settings.model.width),
            peakBytes: peak, loss: work.loss,
            phases: Phases(
                packing: phase[.packing] ?? 0, noise: phase[.noise] ?? 0, forward: phase[.forward] ?? 0,
                backward: phase[.backward] ?? 0,
                sum: phase[.sum] ?? 0, optimizer: phase[.optimizer] ?? 0))
    }
}

/// A step, and the clock beside it.
private final class StepWork {
    enum Phase { case packing, noise, forward, backward, sum, optimizer }

    private(set) var seconds: [Double] = []
    private(set) var phases: [Phase: [Double]] = [:]
    private(set) var loss = 0.0

    private let settings: StepBench.Settings
    private let engine: Engine
    private let lossGradient: LossGradient
    private let state: TrainingState
    private let sum: GradientSum
    private var grids: GradientGrids
    private let optimizer: Optimizer
    private var squares: [Double]
    private let random = TrainingRandom(seed: 2)
    private let arena: Arena
    private let images, noise: FloatBuffer  // [batch, C, S, S] and [microbatch, C, S, S]
    private let labels: [Int]
    private let clock = ContinuousClock()
    private var lapBegin: ContinuousClock.Instant
    /// Of the present step.
    private var laps: [Phase: Double] = [:]

    init(_ settings: StepBench.Settings, engine: Engine) throws {
        let model = settings.model
        (self.settings, self.engine) = (settings, engine)
        lossGradient = try LossGradient(
            model, DiffusionConfiguration(), engine: engine, capacity: settings.microbatch,
            activations: settings.activations, iterations: settings.iterations.withGradient)
        let table = lossGradient.network.table
        state = TrainingState(table)
        sum = GradientSum(engine, table, virtualRanks: 1)
        grids = GradientGrids(tensors: table.parameters.count, virtualRanks: 1)
        squares = [Double](repeating: 0, count: Reductions.blocks(table.flatCount))
        let job = JobConfiguration()
        optimizer = Optimizer(job.optimizer, job.ema, steps: job.training.steps)
        (arena, (images, noise)) = Arena.build("images and noise") { arena in
            (arena.take(settings.batch * model.imageValues), arena.take(settings.microbatch * model.imageValues))
        }
        labels = (0..<settings.batch).map { $0 * 37 % model.classes }
        lapBegin = clock.now
        state.startForBench()
        for sample in 0..<settings.batch {
            random.validationNoise(
                sample: sample, into: images.base + sample * model.imageValues, count: model.imageValues)
        }
    }

    func forgetTimes() { (seconds, phases) = ([], [:]) }

    func step(_ step: Int) {
        laps = [:]
        let begin = clock.now
        lapBegin = begin
        sum.begin(grids)
        lap(.sum)
        lossGradient.load(state.weights)
        lap(.packing)
        loss = 0
        for first in stride(from: 0, to: settings.batch, by: settings.microbatch) {
            accumulate(first..<min(first + settings.microbatch, settings.batch), step: step)
        }
        _ = sum.add()
        // Training would do the first step again on the grids that its gradients give; here it is not measured.
        grids.follow(sum.maxima)
        let gradient = sum.rounded(0..<state.table.flatCount)
        squares.withUnsafeMutableBufferPointer { Reductions.squares(engine, gradient, into: $0) }
        let clipping = optimizer.clipping(gradientNorm: squares.reduce(0, +).squareRoot())
        lap(.sum)
        optimizer.apply(engine, gradient: gradient, scale: clipping, to: state)
        lap(.optimizer)
        seconds.append((lapBegin - begin).seconds)
        for (phase, time) in laps { phases[phase, default: []].append(time) }
    }

    private func accumulate(_ positions: Range<Int>, step: Int) {
        let values = settings.model.imageValues
        engine.pool.parallelFor(positions.count) { i, _ in
            random.noise(
                step: step, sample: positions.lowerBound + i, into: noise.base + i * values, count: values)
        }
        let objective = lossGradient.objective
        let batch = LossGradient.Microbatch(
            images: images.slice(positions.lowerBound * values, positions.count * values), noise: noise,
            timesteps: positions.map { objective.timestep(uniform: random.timestep(step: step, sample: $0)) },
            labels: .classes(Array(labels[positions])),
            drop: positions.map { random.dropsLabel(step: step, sample: $0, probability: 0.1) })
        lap(.noise)
        let losses = lossGradient.losses(
            batch, iterations: settings.iterations, scale: 1 / Double(settings.batch),
            gradients: sum.gradient
        ) { lap(.forward) }
        lap(.backward)
        loss += losses.reduce(0) { $0 + $1.loss } / Double(settings.batch)
    }

    /// What has passed since the last lap belongs to this phase.
    private func lap(_ phase: Phase) {
        let now = clock.now
        laps[phase, default: 0] += (now - lapBegin).seconds
        lapBegin = now
    }
}
