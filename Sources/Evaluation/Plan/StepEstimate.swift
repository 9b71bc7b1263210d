import Compute
import Jobs
import Model
import Training

/// How long a job's steps will take, from rates measured on this machine.
///
/// The rates are those of the job's own network: a few samples of it are trained for a few steps, by as many ranks at once
/// as a node will have (as far as this machine has cores and memory for them), each with as many threads. What they take
/// grows with samples and iterations as the operations of the products do (`StepFLOPs`).
public struct StepEstimate: Codable, Equatable, Sendable {
    /// What was measured.
    public struct Trial: Codable, Equatable, Sendable {
        public let samples: Int
        /// Without and with a gradient; none of a DiT.
        public let iterations: [Int]
        public let ranksAtOnce: Int
    }

    public let trial: Trial
    /// Noise, forward and backward of the rank with most samples, and packing its weights.
    public let computeSeconds: Double
    /// Gradients into the order-free sum, and out of it.
    public let sumSeconds: Double
    public let optimizerSeconds: Double
    public let exchange: ExchangeEstimate
    /// Of all of a step, reading samples apart, which goes on meanwhile.
    public let seconds: Double
    public let samplesPerSecond: Double

    /// Seconds that a step of the trial may take, about.
    private static let patience = 6.0

    /// - Parameters:
    ///   - engines: as many as work at once, with the threads of a rank each.
    ///   - threads: of a rank; with more than an engine has it is taken to be as much faster as there is work for them
    ///     (`BatchCut`).
    ///   - memory: bytes that the trial may take.
    /// - Returns: nil if this machine has no room for the smallest trial.
    /// - Throws: `DiffusionError` for an objective that cannot be.
    public init?(_ plan: JobPlan, engines: [Engine], network: NetworkRate?, threads: Int, memory: Int) throws {
        guard let first = engines.first else { return nil }
        let (job, ranks) = (plan.job, plan.cluster.ranks)
        // The first rank has as many virtual ranks as any.
        let (all, size) = (job.training.virtualRanks, job.training.virtualRankSize)
        let own = BatchPlan.virtualRanks(all, of: 0, ranks: ranks).count
        var settings = StepBench.Settings()
        (settings.model, settings.diffusion, settings.activations) = (job.model, job.diffusion, job.activations)
        (settings.share.ranks, settings.share.virtualRanks) = (ranks, all)
        // With a second one sums are added to, as for each further one.
        settings.share.own = min(own, 2)
        settings.iterations = job.meanIterations
        settings.gradient = job.training.backward
        let cut = job.model.cut
        // So many samples keep all threads busy.
        let busy = min(job.microbatchSize, (first.pool.threadCount * cut.panelRows + cut.tokens - 1) / cut.tokens)
        settings.microbatch = min(job.microbatchSize, max(cut.groupSamples, 2 * busy))
        let flops = StepFLOPs(job.model, gradient: job.training.backward)
        // One after the other.
        guard max(BestProduct.bytes(first, job.model), ExchangeEstimate.measuredBytes(ranks: ranks)) <= memory else {
            return nil
        }
        let rate = Self.productRate(first, job.model) / 2
        func cost() -> Double {
            flops.work(settings.iterations, job.activations) * Double(settings.batch) / rate
        }
        settings.batch = settings.share.own * settings.microbatch
        while cost() > Self.patience {
            if job.model.fixedPoint, settings.iterations.withoutGradient > 1 || settings.iterations.withGradient > 1 {
                settings.iterations = Iterations(
                    withoutGradient: min(settings.iterations.withoutGradient, 1), withGradient: 1)
            } else if settings.microbatch > busy {
                settings.microbatch = max(busy, (settings.microbatch + 1) / 2)
            } else {
                break
            }
            settings.batch = settings.share.own * settings.microbatch
        }
        // Fewer samples at once, then fewer ranks, where there is no room.
        var engines = engines[...]
        while engines.count * settings.workBytes(first) > memory {
            if settings.microbatch > busy {
                settings.microbatch = max(busy, (settings.microbatch + 1) / 2)
            } else if engines.count > 1 {
                engines = engines.dropLast()
            } else if settings.microbatch > 1 {
                settings.microbatch = (settings.microbatch + 1) / 2
            } else {
                return nil
            }
            settings.batch = settings.share.own * settings.microbatch
        }
        settings.steps = max(2, min(100, Int(3 / max(cost(), 1e-3))))
        let (phases, adding) = try StepBench.phases(settings, engines: Array(engines))
        let speedup = Double(threads) / Double(first.pool.threadCount)
        let (forward, backward) = Self.slowdown(job, first, threads: threads)
        let perSample =
            (phases.noise + phases.forward * forward + phases.backward * backward) / Double(settings.batch)
        let growth = job.meanWork(flops) / flops.work(settings.iterations, job.activations)
        trial = Trial(
            samples: settings.batch,
            iterations: job.model.fixedPoint
                ? [settings.iterations.withoutGradient, settings.iterations.withGradient] : [],
            ranksAtOnce: engines.count)
        computeSeconds = (phases.packing + perSample * growth * Double(own * size)) / speedup
        let further = Double(own - settings.share.own) / Double(settings.share.own)
        sumSeconds = (phases.sum + further * adding) / speedup
        optimizerSeconds = phases.optimizer / speedup
        exchange = ExchangeEstimate(plan, network: network, engine: first)
        seconds = computeSeconds + sumSeconds + optimizerSeconds + exchange.seconds
        samplesPerSecond = Double(job.training.globalBatch) / seconds
    }

    /// FLOP/s of the best product, whose memory is given back.
    private static func productRate(_ engine: Engine, _ model: ModelConfiguration) -> Double {
        let best = BestProduct(engine, model)
        best.measure(seconds: 0.05)
        return best.flops
    }

    /// How many times as long passes take with so many threads as they would if all had as much to do as those of
    /// `engine` have: a virtual rank's rows are shared out in panels.
    private static func slowdown(
        _ job: ResolvedJob, _ engine: Engine, threads: Int
    ) -> (forward: Double, backward: Double) {
        guard threads > engine.pool.threadCount else { return (1, 1) }
        // Of so many groups the last ones do not tell.
        let most = 64 * job.model.cut.groupSamples
        let microbatch = min(job.microbatchSize, most)
        let (whole, rest) = min(job.training.virtualRankSize, most).quotientAndRemainder(dividingBy: microbatch)
        func rows(_ threads: Int) -> (forward: Double, backward: Double) {
            [(whole, microbatch), (rest > 0 ? 1 : 0, rest)].reduce(into: (0, 0)) { sum, passes in
                guard passes.0 > 0 else { return }
                let busiest = BatchCut.busiestRows(
                    job.model.cut, samples: passes.1, threads: threads, finer: engine.takesFewRows)
                sum.0 += Double(passes.0 * busiest.forward)
                sum.1 += Double(passes.0 * busiest.backward)
            }
        }
        let (here, there) = (rows(engine.pool.threadCount), rows(threads))
        let fair = Double(threads) / Double(engine.pool.threadCount)
        return (there.forward / here.forward * fair, there.backward / here.backward * fair)
    }
}

extension ResolvedJob {
    /// The middle of what a step draws, rounded up.
    var meanIterations: Iterations {
        func middle(_ range: IterationRange) -> Int { (range.min + range.max + 1) / 2 }
        return configuration.training.backward.iterations(
            Iterations(
                withoutGradient: middle(configuration.training.iterationsWithoutGradient),
                withGradient: max(middle(configuration.training.iterationsWithGradient), 1)))
    }

    /// The mean over a step's draws of `value`, which grows by as much with each further iteration of a kind.
    public func mean(_ value: (Iterations) -> Double) -> Double {
        func at(_ without: Int, _ with: Int) -> Double {
            value(
                configuration.training.backward.iterations(Iterations(withoutGradient: without, withGradient: with)))
        }
        func middle(_ range: IterationRange) -> Double { Double(range.min + range.max) / 2 }
        let base = at(0, 1)
        return base + middle(configuration.training.iterationsWithoutGradient) * (at(1, 1) - base)
            + (middle(configuration.training.iterationsWithGradient) - 1) * (at(0, 2) - base)
    }

    fileprivate func meanWork(_ flops: StepFLOPs) -> Double { mean { flops.work($0, activations) } }
}

extension StepFLOPs {
    /// Of one sample, forward and backward, with what is formed again.
    fileprivate func work(_ iterations: Iterations, _ activations: ActivationMode) -> Double {
        forward(iterations) + backward(iterations) + (activations == .recompute ? recomputed(iterations) : 0)
    }
}
