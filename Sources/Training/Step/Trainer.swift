import Compute
import Datasets
import Diffusion
import Distributed
import Jobs
import Model
import Reporting

/// One training step after another, the same bits on any number of ranks.
public final class Trainer {
    /// What a step did, the same on every rank.
    public struct StepReport: Equatable, Sendable {
        /// Steps done, this one included.
        public let step: Int
        /// Means over the global batch.
        public let loss, mse, vb: Double
        /// L2 norm of the whole gradient.
        public let gradientNorm: Double
        public let learningRate: Double
        public let iterations: Iterations
    }

    public let job: JobConfiguration
    public let state: TrainingState
    public let plan: BatchPlan

    private let communicator: Communicator
    private let engine: Engine
    private let draws: TrainingRandom
    private let optimizer: Optimizer
    private let lossGradient: LossGradient
    private let tree: GradientTree
    private let exchange: GradientExchange
    private let dataset: ShardedDataset
    private var prefetcher: Prefetcher?
    private let noiseArena: Arena
    private let noise: FloatBuffer  // [microbatch, C, S, S]
    /// Losses of the global batch by place: (mse, vb) each; zero at other ranks' places until they are exchanged.
    private var losses: [Double]
    private var squares: [Double]

    /// - Parameters:
    ///   - job: with nothing left to choose (`resolved`).
    ///   - dataset: which fits the job's model.
    /// - Throws: `DiffusionError` for an objective that cannot be.
    public init(
        _ job: JobConfiguration, dataset: ShardedDataset, communicator: Communicator, engine: Engine
    ) throws {
        let training = job.training
        self.job = job
        self.dataset = dataset
        self.communicator = communicator
        self.engine = engine
        plan = BatchPlan(job, sampleCount: dataset.count)
        draws = TrainingRandom(seed: job.run.seed)
        optimizer = Optimizer(job.optimizer, job.ema, steps: training.steps)
        lossGradient = try LossGradient(
            job.model, job.diffusion, engine: engine, capacity: training.microbatchSize,
            activations: training.activations == .keep ? .keep : .recompute,
            iterations: training.iterationsWithGradient.max)
        let table = lossGradient.network.table
        state = TrainingState(table)
        tree = GradientTree(
            engine, shards: training.virtualRanks / communicator.size, count: table.flatCount)
        exchange = GradientExchange(communicator, engine, count: table.flatCount)
        (noiseArena, noise) = Arena.build("noise") { $0.take(training.microbatchSize * job.model.imageValues) }
        losses = [Double](repeating: 0, count: 2 * training.globalBatch)
        squares = [Double](repeating: 0, count: Reductions.blocks(table.flatCount))
    }

    deinit { prefetcher?.stop() }

    /// Starts anew, from the published initialisation.
    public func start() { state.start(draws) }

    /// Bytes of this rank's arenas, by what they are for.
    public var memory: [(name: String, bytes: Int)] {
        [
            ("weights, average and optimizer", state.bytes), ("gradients", tree.bytes),
            ("exchange", exchange.bytes), ("activations", lossGradient.bytes),
        ]
    }

    /// Does one step. Collective.
    /// - Throws: `RankFailure`, on all ranks alike, when any cannot read its samples or the loss is not finite.
    public func step() throws -> StepReport {
        let step = state.step
        let iterations = draws.iterations(
            step: step, withoutGradient: job.training.iterationsWithoutGradient,
            withGradient: job.training.iterationsWithGradient)
        let samples = try communicator.agree { try nextSamples() }
        for i in losses.indices { losses[i] = 0 }
        for shard in shards {
            let gradient = tree.nextBuffer()
            for places in plan.microbatches(shard: shard) {
                accumulate(samples, places, step: step, iterations: iterations, into: gradient)
            }
            tree.add()
        }
        let gradient = tree.finish()
        try exchange.sum(gradient)
        let report = try report(step: step, iterations: iterations, gradient: gradient)
        optimizer.apply(engine, gradient: gradient, to: state)
        return report
    }

    private var shards: Range<Int> { plan.shards(rank: communicator.rank, of: communicator.size) }

    /// Places in the global batch that this rank computes.
    private var places: Range<Int> {
        plan.places(shard: shards.lowerBound).lowerBound..<plan.places(shard: shards.upperBound - 1).upperBound
    }

    private func nextSamples() throws -> SampleBatch {
        if prefetcher == nil {
            prefetcher = Prefetcher(dataset, plan, places: places, steps: state.step..<job.training.steps)
        }
        guard let prefetcher else { preconditionFailure("the prefetcher was just made") }
        return try prefetcher.next()
    }

    /// Loss and gradient of one microbatch.
    private func accumulate(
        _ samples: SampleBatch, _ batch: Range<Int>, step: Int, iterations: Iterations, into gradient: FloatBuffer
    ) {
        let model = job.model
        let first = batch.lowerBound - places.lowerBound
        let images = samples.images.slice(first * model.imageValues, batch.count * model.imageValues)
        engine.pool.parallelFor(batch.count) { i, _ in
            let place = batch.lowerBound + i
            draws.noise(
                step: step, sample: place, into: noise.base + i * model.imageValues, count: model.imageValues)
            if job.data.horizontalFlip, draws.flips(step: step, sample: place) {
                Self.flip(
                    images.base + i * model.imageValues, side: model.imageSize, rows: model.channels * model.imageSize)
            }
        }
        let timesteps = batch.map { lossGradient.objective.timestep(uniform: draws.timestep(step: step, sample: $0)) }
        let drop = batch.map { draws.dropsLabel(step: step, sample: $0, probability: job.data.labelDropout) }
        var values = [Objective.Loss](repeating: .init(), count: batch.count)
        values.withUnsafeMutableBufferPointer { values in
            lossGradient.accumulate(
                .init(
                    images: images, noise: noise, timesteps: timesteps,
                    labels: labels(samples, first..<first + batch.count), drop: drop),
                weights: state.weights, iterations: iterations, scale: 1 / Double(job.training.globalBatch),
                gradients: gradient, losses: values)
        }
        for (place, value) in zip(batch, values) {
            losses[2 * place] = value.mse
            losses[2 * place + 1] = value.vb
        }
    }

    private func labels(_ samples: SampleBatch, _ range: Range<Int>) -> Labels {
        switch job.model.conditioning {
        case .classes: .classes(samples.classes[range].map { Int($0) })
        case .continuous:
            .continuous(
                Array(samples.vectors[range.lowerBound * job.model.classes..<range.upperBound * job.model.classes]))
        case .none: .none
        }
    }

    /// Means and norm of a step. Every place's loss comes from one rank and zeros from the others, so their sum is
    /// exact, and the mean is formed in the order of places everywhere.
    private func report(step: Int, iterations: Iterations, gradient: FloatBuffer) throws -> StepReport {
        try losses.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .sum) }
        var (mse, vb) = (0.0, 0.0)
        for place in 0..<job.training.globalBatch {
            mse += losses[2 * place]
            vb += losses[2 * place + 1]
        }
        squares.withUnsafeMutableBufferPointer { Reductions.squares(engine, gradient, into: $0) }
        let count = Double(job.training.globalBatch)
        let report = StepReport(
            step: step + 1, loss: (mse + vb) / count, mse: mse / count, vb: vb / count,
            gradientNorm: squares.reduce(0, +).squareRoot(), learningRate: optimizer.learningRate(step: step),
            iterations: iterations)
        guard report.loss.isFinite && report.gradientNorm.isFinite else {
            throw communicator.failure(
                code: Failure.Status.software.rawValue,
                message:
                    "step \(step + 1): the loss is \(report.loss) and the gradient's norm \(report.gradientNorm); the "
                    + "weights were left as they were. Lower optimizer.learningRate or lengthen "
                    + "optimizer.warmupSteps, and resume from a checkpoint before the loss grew")
        }
        return report
    }

    /// Mirrors rows of `side` pixels.
    private static func flip(_ image: UnsafeMutablePointer<Float>, side: Int, rows: Int) {
        for row in 0..<rows {
            let line = image + row * side
            for i in 0..<side / 2 { (line[i], line[side - 1 - i]) = (line[side - 1 - i], line[i]) }
        }
    }
}
