import Compute
import Datasets
import Diffusion
import Distributed
import Jobs
import Model
import Reporting

/// One training step after another, the same bits on any number of ranks.
public final class Trainer {
    public let job: ResolvedJob
    public let state: TrainingState
    public let plan: BatchPlan
    /// Grids of the sums; follow the gradients, and are part of the state.
    public internal(set) var grids: GradientGrids
    /// Chooses the noise levels of samples; follows the losses of all ranks, and is part of the state.
    public internal(set) var timesteps: TimestepSampler

    /// Hears of wishes to stop, where there is one.
    var runGuard: RunGuard?
    /// The wish that the last step or validation brought to light; nil if no rank has one.
    private(set) var wish: StopWish?
    /// How far this rank is with what it writes in the background: asked at the end of a step, for all to know.
    var saving: () -> StepVote.Saving = { .done }

    let communicator: Communicator
    private let engine: Engine
    private let random: TrainingRandom
    private let optimizer: Optimizer
    private let dataset: ShardedDataset
    private let sum: GradientSum
    private let exchange: GradientExchange
    private let vote: StepVote
    private let seals: WeightSeals
    private let accumulator: BatchAccumulator
    /// Of the slice's gradient, a block each.
    private var squares: [Double]
    private var feed: SampleFeed?
    private let clock = ContinuousClock()

    /// - Parameters:
    ///   - job: with nothing left to choose.
    ///   - dataset: which fits the job's model.
    /// - Throws: `DiffusionError` for an objective that cannot be.
    public init(
        _ job: ResolvedJob, dataset: ShardedDataset, communicator: Communicator, engine: Engine
    ) throws {
        let training = job.training
        self.job = job
        self.dataset = dataset
        self.communicator = communicator
        self.engine = engine
        let plan = BatchPlan(job, dataset.layout)
        self.plan = plan
        random = TrainingRandom(seed: job.run.seed)
        optimizer = Optimizer(job.optimizer, job.ema, steps: training.steps)
        accumulator = try BatchAccumulator(job, engine: engine)
        let table = accumulator.table
        let slices = FlatSlices(count: table.flatCount, ranks: communicator.size)
        state = TrainingState(table, slices: slices, rank: communicator.rank)
        squares = [Double](repeating: 0, count: Reductions.blocks(state.slice.count))
        let shares = (0..<communicator.size).map { plan.virtualRanks(of: $0, ranks: communicator.size).count }
        sum = GradientSum(
            engine, table, virtualRanks: training.virtualRanks, own: shares[communicator.rank], slice: state.slice)
        exchange = GradientExchange(communicator, engine, slices, isSingle: shares.map { $0 == 1 })
        seals = WeightSeals(communicator, engine, slices)
        grids = GradientGrids(tensors: table.parameters.count, virtualRanks: training.virtualRanks)
        timesteps = TimestepSampler(training.timestepSampler, steps: job.diffusion.steps)
        vote = StepVote(
            communicator, positions: training.globalBatch, virtualRanks: training.virtualRanks,
            tensors: table.parameters.count, blocks: Reductions.blocks(table.flatCount))
    }

    deinit { feed?.stop() }

    /// Starts anew, from the published initialisation.
    public func start() { state.start(random) }

    /// Does one step. Collective.
    ///
    /// - Parameter before: this rank's work between steps, which may fail.
    /// - Returns: nil for a step that was dropped because a rank wishes to stop: everything is as before it.
    /// - Throws: `RankFailure`, on all ranks alike, when any cannot read its samples.
    public func step(after before: () throws -> Void = {}) throws -> StepReport? {
        runGuard?.begin(.step)
        runGuard?.heartbeat.enter(.reading, step: state.step + 1)
        let (samples, waitSeconds) = try vote.open {
            try before()
            return try nextSamples()
        }
        let iterations = job.training.backward.iterations(
            random.iterations(
                step: state.step, withoutGradient: job.training.iterationsWithoutGradient,
                withGradient: job.training.iterationsWithGradient))
        let choices = random.timesteps(timesteps, step: state.step, count: plan.globalBatch)
        if checksWeights { seals.takeFirst(state.weights) }
        var (gradient, outcome) = compute(samples, choices, iterations)
        var repairs: [StepReport.Repair] = []
        // Weights that have changed are one way to come by what is not finite.
        if checksWeights, !outcome.isDropped, outcome.weightsDiffer || !outcome.isFinite {
            repairs = try seals.repair(state.weights)
            if !repairs.isEmpty { (gradient, outcome) = compute(samples, choices, iterations) }
        }
        // Grids that do not suit are left for those that the step's own gradients give: once, at any number of ranks.
        let former = grids
        let isRedone = !outcome.isDropped && outcome.valuesAreFinite && !grids.suit(outcome.maxima)
        if isRedone, outcome.wish == nil {
            grids.follow(outcome.maxima)
            (gradient, outcome) = compute(samples, choices, iterations)
        } else if isRedone {
            // Who wishes to stop does not wait for the step to be done all over.
            outcome.isDropped = true
        }
        guard !outcome.isDropped else {
            grids = former
            forgetSamples()
            return nil
        }
        var report = StepReport(
            step: state.step + 1, outcome, weights: choices.map(\.weight), iterations: iterations,
            learningRate: optimizer.learningRate(step: state.step))
        report.isRedone = isRedone
        report.repairs = repairs
        report.waitSeconds = waitSeconds
        report.residuals = measuresResiduals ? accumulator.residuals : nil
        let clipping = optimizer.clipping(gradientNorm: outcome.gradientNorm)
        // The second moment holds squares of what the optimizer is given.
        let norm = outcome.gradientNorm * clipping
        guard outcome.isFinite, Float(norm * norm).isFinite else {
            grids = former
            report.skipped = skip(outcome)
            return report
        }
        grids.follow(outcome.maxima)
        // In the order of positions, on every rank all of them.
        timesteps.learn(choices.indices.map { (choices[$0].timestep, outcome.mse[$0] + outcome.vb[$0]) })
        runGuard?.heartbeat.enter(.updating)
        report.clipping = clipping
        optimizer.apply(engine, gradient: gradient, scale: clipping, to: state)
        state.skippedInARow = 0
        if checksWeights { seals.take(state.weights) }
        exchange.share(state.weights)
        return report
    }

    /// The present weights' loss on held-out data; nil where a wish to stop came first. Collective.
    func validate(_ validation: Validation) throws -> Double? {
        runGuard?.begin(.validation)
        runGuard?.heartbeat.enter(.validating)
        let loss = try validation.loss(accumulator, weights: state.weights) { runGuard?.dropsWork() ?? false }
        // Who wishes to stop does not wait for the next step.
        if loss == nil { wish = try runGuard?.hearAll() }
        return loss
    }

    /// Whether this rank measures the residuals of the present step: the first does, whose samples are the first.
    private var measuresResiduals: Bool {
        communicator.rank == 0 && job.model.fixedPoint && job.run.residualsEvery > 0
            && (state.step + 1) % job.run.residualsEvery == 0
    }

    private var checksWeights: Bool { job.training.checkWeightsEvery > 0 }

    /// Virtual ranks that this rank computes.
    private var own: Range<Int> { plan.virtualRanks(of: communicator.rank, ranks: communicator.size) }

    private func nextSamples() throws -> SampleBatch {
        if feed == nil {
            feed = SampleFeed(dataset, plan, virtualRanks: own, steps: state.step..<job.training.steps)
        }
        guard let feed else { preconditionFailure("the feed was just made") }
        return try feed.next()
    }

    /// Those of a dropped step were taken, and will be wanted again.
    private func forgetSamples() {
        feed?.stop()
        feed = nil
    }

    /// This rank's slice of the step's gradient, and what all ranks found out on the way. Nothing in it throws.
    private func compute(
        _ samples: SampleBatch, _ choices: [TimestepSampler.Choice], _ iterations: Iterations
    ) -> (FloatBuffer, StepVote.Outcome) {
        let begin = clock.now
        runGuard?.heartbeat.enter(.computing)
        var ballot = StepVote.Ballot()
        sum.begin(grids)
        accumulator.load(state.weights)
        computing: for virtualRank in own {
            for positions in plan.microbatches(virtualRank) {
                if runGuard?.dropsWork() == true {
                    // This rank goes on to where the others wait for it, and all hear there that nothing counts.
                    ballot.isDropped = true
                    sum.drop()
                    break computing
                }
                ballot.losses += accumulator.accumulate(
                    samples, positions, first: plan.positions(own).lowerBound, step: state.step, random: random,
                    choices: choices, iterations: iterations, into: sum.gradient,
                    measuring: measuresResiduals && positions.lowerBound == 0)
            }
            if !sum.add() { ballot.nonFiniteVirtualRanks.append(virtualRank) }
        }
        ballot.maxima = sum.maxima
        ballot.computeSeconds = (clock.now - begin).seconds
        if checksWeights, (state.step + 1) % job.training.checkWeightsEvery == 0 {
            ballot.weightsDiffer = seals.differ(from: state.weights)
        }
        runGuard?.heartbeat.enter(.exchanging)
        let gradient = exchange.reduce(sum, whileIdle: runGuard.map { runGuard in { runGuard.tell() } })
        squares.withUnsafeMutableBufferPointer { Reductions.squares(engine, gradient, into: $0) }
        ballot.squares = squares
        ballot.firstBlock = state.slice.lowerBound / Reductions.block
        runGuard?.vote(&ballot)
        ballot.saving = saving()
        let outcome = vote.close(ballot)
        runGuard?.heard(outcome)
        wish = outcome.wish
        return (gradient, outcome)
    }

    /// Leaves a step out on all ranks; weights, moments, average and grids stay as they were.
    private func skip(_ outcome: StepVote.Outcome) -> StepReport.Skipped {
        let indices = plan.samples(step: state.step, positions: 0..<plan.globalBatch)
        let samples = outcome.nonFinitePositions.map { position in
            let (file, row) = dataset.place(of: indices[position])
            return StepReport.Skipped.Sample(position: position, file: file, row: row)
        }
        let virtualRanks = samples.map { plan.virtualRank(of: $0.position) } + outcome.nonFiniteVirtualRanks
        let ranks = Set(virtualRanks.map { plan.rank(of: $0, ranks: communicator.size) }).sorted()
        state.step += 1
        state.skippedInARow += 1
        return StepReport.Skipped(inARow: state.skippedInARow, ranks: ranks, samples: samples)
    }

    /// Ends training where too many steps in a row were skipped, this one the last. Collective.
    ///
    /// - Throws: `RankFailure`, on all ranks alike.
    func requireFewSkipped(_ report: StepReport) throws {
        guard let skipped = report.skipped, skipped.inARow > job.training.maxSkippedSteps else { return }
        let rank = skipped.ranks.first ?? 0
        throw RankFailure(
            rank: rank, host: try communicator.allGather(communicator.hostName)[rank],
            code: Failure.Status.software.rawValue,
            message: "step \(report.step): \(skipped); \(skipped.inARow) skipped in a row, and "
                + "training.maxSkippedSteps is \(job.training.maxSkippedSteps). The weights are as the last step that "
                + "was not skipped left them. Look at those samples; or go on more carefully from a checkpoint: "
                + "--resume PATH --allow-changes --set optimizer.clipNorm=1, or a lower optimizer.learningRate")
    }
}

extension Duration {
    /// In seconds.
    public var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
