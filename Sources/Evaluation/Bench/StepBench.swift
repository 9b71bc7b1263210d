import Compute
import Diffusion
import Dispatch
import Distributed
import Jobs
import Model
import Training

/// How long a training step takes on one process: what `Trainer` does, but for reading samples and meeting other ranks.
public struct StepBench {
    public struct Settings: Equatable, Sendable {
        public var model = ModelConfiguration()
        public var diffusion = DiffusionConfiguration()
        /// Samples of a step, of all virtual ranks that are computed.
        public var batch = 16
        /// Samples in the network at once.
        public var microbatch = 16
        /// The same in every step; a DiT ignores them.
        public var iterations = Iterations(withoutGradient: 5, withGradient: 6)
        /// What of them is differentiated.
        public var gradient = SolveGradient.sjfb
        public var activations = ActivationMode.keep
        /// What of the global batch is computed here.
        public var share = Share()
        /// Steps measured, after one that warms up.
        public var steps = 3

        public init() {}

        /// Bytes of memory, about.
        public func bytes(_ engine: Engine) -> Int { workBytes(engine) + BestProduct.bytes(engine, model) }

        /// Those of the steps alone.
        func workBytes(_ engine: Engine) -> Int {
            // Weights, average, two moments, gradient; and the sum of several, in doubles.
            (share.virtualRanks > 1 ? 7 : 5) * ParameterTable(model).flatCount * MemoryLayout<Float>.stride
                + Network.bytes(model, capacity: microbatch, use: use, engine: engine)
                + (batch + microbatch) * model.imageValues * MemoryLayout<Float>.stride
        }

        fileprivate var use: NetworkUse {
            .training(activations: activations, iterations: iterations.withGradient, gradient: gradient)
        }
    }

    /// The first rank's part of a step: the values it owns, and the virtual ranks it computes.
    public struct Share: Equatable, Sendable {
        public var ranks = 1
        /// Of the global batch.
        public var virtualRanks = 1
        /// Computed here.
        public var own = 1

        public init() {}
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
        /// Of the best product with packed weights, measured in turn with the steps.
        public let bestProductFlops: Double
        /// The most memory that the process held to the end of the first step, after which nothing is taken; for all engines
        /// that were measured in turn.
        public let peakBytes: Int
        /// The mean loss of the last step: not finite where something is wrong.
        public let loss: Double
        public let phases: Phases
        /// Of the phases in which products run.
        public let kernels: [PhaseKernels]
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
    public func run() throws -> Result { try Self.inTurn(settings, engines: [engine])[0] }

    /// Several engines side by side: a step of each in turn, so that what the machine does meanwhile falls on all alike.
    ///
    /// - Throws: `DiffusionError` for an objective that cannot be.
    public static func inTurn(_ settings: Settings, engines: [Engine]) throws -> [Result] {
        let works = try engines.map { try StepWork(settings, engine: $0) }
        for engine in engines { engine.pool.clock.isRunning = true }
        for work in works { work.measured(0) }
        let peak = ProcessMemory.peak
        let best = engines.map { BestProduct($0, settings.model) }
        for step in 1...settings.steps {
            for (work, best) in zip(works, best) {
                work.measured(step)
                // Ten times at most: steps may be many, and shorter than this.
                if step % max(1, settings.steps / 10) == 0 { best.measure(seconds: 0.05) }
            }
        }
        for engine in engines { engine.pool.clock.isRunning = false }
        return engines.indices.map {
            StepBench(settings, engine: engines[$0]).result(works[$0], best: best[$0].flops, peak: peak)
        }
    }

    private func result(_ work: StepWork, best: Double, peak: Int) -> Result {
        let seconds = work.seconds
        let flops = StepFLOPs(settings.model, gradient: settings.gradient).step(
            batch: settings.batch, iterations: settings.iterations)
        return Result(
            model: settings.model.publishedName ?? settings.model.inWords, precision: engine.precision.rawValue,
            activations: settings.activations.rawValue, backend: engine.name, threads: engine.pool.threadCount,
            batch: settings.batch, microbatch: settings.microbatch,
            iterations: [settings.iterations.withoutGradient, settings.iterations.withGradient], steps: settings.steps,
            secondsPerStep: seconds.median, secondsFastest: seconds.min() ?? 0,
            samplesPerSecond: Double(settings.batch) / seconds.median, flopsPerStep: flops,
            flopsPerSecond: flops / seconds.median,
            bestProductFlops: best, peakBytes: peak, loss: work.loss, phases: work.medians, kernels: work.kernels)
    }

    /// The phases of a step where several such processes work at once, each with threads of its own: what a rank among
    /// others on its node takes, on average.
    ///
    /// - Parameter engines: one for each.
    /// - Returns: also what of `sum` grows with the virtual ranks that are computed.
    /// - Throws: `DiffusionError` for an objective that cannot be.
    static func phases(_ settings: Settings, engines: [Engine]) throws -> (Phases, adding: Double) {
        let works = try engines.map { try StepWork(settings, engine: $0) }
        DispatchQueue.concurrentPerform(iterations: works.count) { works[$0].run() }
        let each = works.map(\.medians)
        func mean(_ phase: KeyPath<Phases, Double>) -> Double {
            each.reduce(0) { $0 + $1[keyPath: phase] } / Double(each.count)
        }
        let phases = Phases(
            packing: mean(\.packing), noise: mean(\.noise), forward: mean(\.forward), backward: mean(\.backward),
            sum: mean(\.sum), optimizer: mean(\.optimizer))
        return (phases, works.reduce(0) { $0 + $1.adding } / Double(works.count))
    }
}

/// A step, and the clock beside it. One thread at a time uses it.
private final class StepWork: @unchecked Sendable {
    enum Phase { case packing, noise, forward, backward, sum, adding, optimizer }

    private(set) var seconds: [Double] = []
    private(set) var phases: [Phase: [Double]] = [:]
    private var readings: [Phase: [KernelClock.Reading]] = [:]
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
    private let labels: [Int]  // [batch]
    private let clock = ContinuousClock()
    private var lapBegin: ContinuousClock.Instant
    private var lapReading: KernelClock.Reading
    /// Of the present step.
    private var laps: [Phase: Double] = [:]

    init(_ settings: StepBench.Settings, engine: Engine) throws {
        let model = settings.model
        (self.settings, self.engine) = (settings, engine)
        lossGradient = try LossGradient(
            model, settings.diffusion, engine: engine, capacity: settings.microbatch,
            activations: settings.activations, iterations: settings.iterations.withGradient,
            backward: settings.gradient)
        let table = lossGradient.network.table
        let share = settings.share
        state = TrainingState(table, slices: FlatSlices(count: table.flatCount, ranks: share.ranks), rank: 0)
        sum = GradientSum(
            engine, table, virtualRanks: share.virtualRanks, own: share.own, slice: state.slice)
        grids = GradientGrids(tensors: table.parameters.count, virtualRanks: share.virtualRanks)
        squares = [Double](repeating: 0, count: Reductions.blocks(state.slice.count))
        let job = JobConfiguration()
        optimizer = Optimizer(job.optimizer, job.ema, steps: job.training.steps)
        (arena, (images, noise)) = Arena.build("images and noise") { arena in
            (arena.take(settings.batch * model.imageValues), arena.take(settings.microbatch * model.imageValues))
        }
        labels = (0..<settings.batch).map { $0 * 37 % max(model.classes, 1) }
        lapBegin = clock.now
        lapReading = engine.pool.clock.reading
        state.startForBench()
        for sample in 0..<settings.batch {
            random.validationNoise(
                sample: sample, into: images.base + sample * model.imageValues, count: model.imageValues)
        }
    }

    /// All steps; the first one warms up.
    func run() {
        for step in 0...settings.steps { measured(step) }
    }

    /// One step, of which number 0 is forgotten.
    func measured(_ step: Int) {
        if step == 1 { (seconds, phases, readings) = ([], [:], [:]) }
        self.step(step)
    }

    /// Of the sum, what each virtual rank's gradient takes, together.
    var adding: Double { phases[.adding]?.median ?? 0 }

    var medians: StepBench.Phases {
        func median(_ phase: Phase) -> Double { phases[phase]?.median ?? 0 }
        return StepBench.Phases(
            packing: median(.packing), noise: median(.noise), forward: median(.forward), backward: median(.backward),
            sum: median(.sum) + adding, optimizer: median(.optimizer))
    }

    var kernels: [PhaseKernels] {
        [("forward", Phase.forward), ("backward", .backward)].map { name, phase in
            PhaseKernels(
                name, seconds: phases[phase] ?? [], readings: readings[phase] ?? [], threads: engine.pool.threadCount)
        }
    }

    private func step(_ step: Int) {
        laps = [:]
        let begin = clock.now
        lapBegin = begin
        lapReading = engine.pool.clock.reading
        sum.begin(grids)
        lap(.sum)
        lossGradient.load(state.weights)
        lap(.packing)
        loss = 0
        let size = settings.batch / settings.share.own
        for virtualRank in 0..<settings.share.own {
            let end = (virtualRank + 1) * size
            for first in stride(from: end - size, to: end, by: settings.microbatch) {
                accumulate(first..<min(first + settings.microbatch, end), step: step)
            }
            _ = sum.add()
            lap(.adding)
        }
        // Training would do the first step again on the grids that its gradients give; here it is not measured.
        grids.follow(sum.maxima)
        let gradient = sum.rounded(state.slice)
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
            labels: labels(positions),
            drop: positions.map { random.dropsLabel(step: step, sample: $0, probability: 0.1) })
        lap(.noise)
        let losses = lossGradient.losses(
            batch, iterations: settings.iterations, scale: 1 / Double(settings.batch),
            gradients: sum.gradient
        ) { lap(.forward) }
        lap(.backward)
        loss += losses.reduce(0) { $0 + $1.loss } / Double(settings.batch)
    }

    private func labels(_ positions: Range<Int>) -> Labels {
        switch settings.model.conditioning {
        case .classes: .classes(Array(labels[positions]))
        case .continuous: .continuous([Float](repeating: 0.5, count: positions.count * settings.model.classes))
        case .none: .none
        }
    }

    /// What has passed since the last lap belongs to this phase.
    private func lap(_ phase: Phase) {
        let now = clock.now
        laps[phase, default: 0] += (now - lapBegin).seconds
        guard engine.pool.clock.isRunning else {
            lapBegin = now
            return
        }
        let reading = engine.pool.clock.reading
        readings[phase, default: []].append(reading - lapReading)
        lapReading = reading
        lapBegin = now
    }
}
