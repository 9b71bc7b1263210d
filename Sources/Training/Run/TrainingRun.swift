import Checkpoints
import Compute
import Distributed
import Jobs
import Model
import Reporting
import Storage

/// A run in its folder: starts or goes on, trains, measures, and saves.
public final class TrainingRun {
    /// What a run tells about itself; called on every rank, from the training thread.
    public protocol Observer: AnyObject {
        func began(_ run: TrainingRun)
        func note(_ message: String)
        func stepped(_ report: StepReport, validationLoss: Double?, seconds: Double)
        func saved(_ checkpoint: String, seconds: Double)
    }

    /// How training came to an end that is none by failure.
    public enum Ending: Equatable, Sendable {
        /// All steps are done.
        case finished
        /// Saved at a wish to stop, to be started again.
        case stopped

        /// Of the program.
        public var exitCode: Int32 {
            switch self {
            case .finished: 0
            case .stopped: Failure.Status.tryAgain.rawValue
            }
        }
    }

    public let job: ResolvedJob
    public let trainer: Trainer
    public let engine: Engine
    public let memory: MemoryPlan
    /// Steps that had been done when this run began.
    public let firstStep: Int
    public let runtime: MPIRuntime

    private let communicator: Communicator
    private let start: RunStart
    private let validation: Validation?
    /// On rank 0.
    private let metrics: MetricsWriter?
    /// What went wrong between steps on this rank; the next step's vote tells the others.
    private var pending: (any Error)?
    /// The step of the latest checkpoint in the run's folder; nil while there is none.
    private var savedStep: Int?
    private var stragglers: Stragglers
    private let began = ContinuousClock.now

    /// Prepares a run: checks, opens, resumes. Collective.
    ///
    /// - Returns: nil if the run has no steps left to do.
    /// - Throws: `RankFailure`, on all ranks alike.
    public init?(
        _ job: JobConfiguration, _ options: RunOptions = .init(), runtime: MPIRuntime, observer: Observer
    ) throws {
        let world = runtime.world
        guard let start = try RunStart(job, options, runtime: runtime, note: observer.note) else { return nil }
        let trainer = try world.agree {
            try Trainer(start.job, dataset: start.dataset, communicator: world, engine: start.engine)
        }
        try world.agree { try start.begin(trainer) }
        validation = start.validation.map { Validation(start.job, dataset: $0, communicator: world) }
        let firstStep = trainer.state.step
        metrics = try world.agree { () -> MetricsWriter? in
            guard world.rank == 0 else { return nil }
            // Only now that the run goes on from an earlier one are damaged ones out of its way.
            try CheckpointStore.setAside(start.skipped.map(\.path))
            try start.folder.prepare(job: start.job.yaml(), exclusive: options.resume == .never)
            return try MetricsWriter(run: start.folder.path, from: firstStep)
        }
        (self.job, self.trainer, self.firstStep) = (start.job, trainer, firstStep)
        (engine, memory) = (start.engine, start.memory)
        (self.start, self.runtime, communicator) = (start, runtime, world)
        savedStep = start.checkpoint == nil || start.savesFirst ? nil : firstStep
        stragglers = Stragglers(
            virtualRanks: (0..<world.size).map { trainer.plan.virtualRanks(of: $0, ranks: world.size).count })
        let record = try RunRecord.start(
            runtime, step: firstStep, threads: start.engine.pool.threadCount, matrix: start.engine.matrix.name)
        try world.agree {
            if world.rank == 0 { try RunRecord.append(record, run: start.folder.path) }
        }
    }

    /// Trains until the job's steps are done, or a signal or the clock asks for an end; saves every `checkpoint.every`
    /// steps and at the end. Collective.
    /// - Throws: `RankFailure`, on all ranks alike.
    public func train(_ observer: Observer) throws -> Ending {
        observer.began(self)
        let runGuard = try RunGuard(
            job, runtime: runtime, checkpointBytes: TrainingState.bytes(trainer.state.table),
            spent: (.now - began).seconds)
        trainer.runGuard = runGuard
        if let left = runGuard.secondsLeft {
            observer.note("\(Int(left)) s are left; the run is saved before they are over")
        }
        do {
            let (ending, reason) = try train(observer, runGuard)
            runGuard.end(keepsSignals: ending == .stopped)
            recordEnd(ending.exitCode, reason, observer)
            return ending
        } catch let failure as RankFailure {
            runGuard.end(keepsSignals: false)
            recordEnd(failure.code, failure.description, observer)
            throw failure
        }
    }

    private func train(_ observer: Observer, _ runGuard: RunGuard) throws -> (Ending, reason: String) {
        let clock = ContinuousClock()
        if start.savesFirst { try saveAndTell(observer, runGuard) }
        while trainer.state.step < job.training.steps {
            let begin = clock.now
            let report = try trainer.step {
                if let pending { throw pending }
            }
            if let report {
                let seconds = (clock.now - begin).seconds
                let loss = try validationLoss(after: report.step)
                runGuard.measured(step: (clock.now - begin).seconds)
                record(report, validationLoss: loss, seconds: seconds)
                observer.stepped(report, validationLoss: loss, seconds: seconds)
                for finding in stragglers.add(report.computeSeconds) { tell(finding, runGuard, observer) }
                if isDue(report.step, every: job.checkpoint.every) { try saveAndTell(observer, runGuard) }
            }
            if let wish = trainer.wish, trainer.state.step < job.training.steps {
                return (.stopped, try stop(wish, runGuard, observer))
            }
        }
        return (.finished, "done")
    }

    /// Saves at a wish to stop.
    /// - Returns: why, for the record.
    private func stop(_ wish: StopWish, _ runGuard: RunGuard, _ observer: Observer) throws -> String {
        let step = trainer.state.step
        let reason = wish.description(host: runGuard.hosts[wish.rank])
        guard wish.cause != .timeIsUp || step > firstStep else {
            // Started again, it would come no further than this time.
            throw RankFailure(
                rank: wish.rank, host: runGuard.hosts[wish.rank], code: Failure.Status.badData.rawValue,
                message: "no step could be done in the time that the run has (run.timeLimit, or what Slurm gives the "
                    + "job), with what saving takes of it; give it more time, or smaller steps")
        }
        let isSaved = savedStep == step
        observer.note("\(reason): \(isSaved ? "step \(step) is saved" : "saving at step \(step), then") exit code 75")
        if !isSaved { try saveAndTell(observer, runGuard) }
        return reason
    }

    private func tell(_ finding: Stragglers.Finding, _ runGuard: RunGuard, _ observer: Observer) {
        let factor = (10 * finding.factor).rounded() / 10
        observer.note(
            "rank \(finding.rank) on \(runGuard.hosts[finding.rank]) takes \(factor) times as long for a virtual rank as the "
                + "others, which wait for it: does something else run on its cores, or are they slower?")
    }

    /// On rank 0. What cannot be recorded at the end is told, and no reason for another end.
    private func recordEnd(_ code: Int32, _ reason: String, _ observer: Observer) {
        guard communicator.rank == 0 else { return }
        let line = RunRecord.end(step: trainer.state.step, code: code, reason: reason)
        do { try RunRecord.append(line, run: start.folder.path) } catch { observer.note("\(error)") }
    }

    /// Whether something is done after a step: every so many, and at the end.
    private func isDue(_ step: Int, every: Int) -> Bool {
        step == job.training.steps || (every > 0 && step % every == 0)
    }

    private func validationLoss(after step: Int) throws -> Double? {
        guard let validation, isDue(step, every: job.validation.every) else { return nil }
        return try trainer.validate(validation)
    }

    private func record(_ report: StepReport, validationLoss: Double?, seconds: Double) {
        guard let metrics,
            isDue(report.step, every: job.run.metricsEvery) || validationLoss != nil || report.skipped != nil
        else { return }
        do {
            try metrics.append(
                MetricsLine(
                    report, epoch: trainer.plan.epochs(step: report.step), seconds: seconds,
                    samples: job.training.globalBatch, validationLoss: validationLoss))
        } catch {
            pending = error
        }
    }

    // MARK: - Saving

    private func saveAndTell(_ observer: Observer, _ runGuard: RunGuard) throws {
        let clock = ContinuousClock()
        let begin = clock.now
        runGuard.heartbeat.enter(.saving)
        let path = try save()
        savedStep = trainer.state.step
        let seconds = (clock.now - begin).seconds
        runGuard.measured(save: seconds)
        observer.saved(path, seconds: seconds)
    }

    /// Saves the present state, each rank its slice. Collective.
    private func save() throws -> String {
        let (state, rank) = (trainer.state, communicator.rank)
        try communicator.agree {
            if let pending { throw pending }
            guard state.isFinite(engine) else {
                throw Failure(
                    .software,
                    "step \(state.step): weights, their average or moments are not finite, so that nothing was saved. Go "
                        + "on more carefully from an earlier checkpoint: --resume PATH --allow-changes --set "
                        + "optimizer.learningRate=..., or --set optimizer.clipNorm=1")
            }
        }
        // Each host once, in the order of its first rank.
        let hosts = try communicator.allGather(runtime.hostName).reduce(into: [String]()) { known, host in
            if !known.contains(host) { known.append(host) }
        }
        state.completeRows(communicator)
        let begun = try communicator.agree {
            rank == 0 ? try CheckpointWriter.begin(step: state.step, run: start.folder.path).work : ""
        }
        let writer = CheckpointWriter(work: try communicator.broadcast(begun, root: 0))
        do {
            let digest = try communicator.agree {
                try writer.writeRankFile(state.checkpointPieces, writer: rank, of: communicator.size).description
            }
            let digests = try communicator.allGather(digest).compactMap { CheckpointDigest($0) }
            let path = try communicator.agree {
                guard rank == 0 else { return "" }
                return try writer.finish(
                    layout: state.checkpointLayout, metadata: try metadata(hosts: hosts), digests: digests)
            }
            return try communicator.broadcast(path, root: 0)
        } catch {
            if rank == 0 { writer.abandon() }
            throw error
        }
    }

    private func metadata(hosts: [String]) throws -> CheckpointMetadata {
        CheckpointMetadata(
            step: trainer.state.step, updates: trainer.state.updates, skippedInARow: trainer.state.skippedInARow,
            jobYAML: job.yaml(), changes: try JobChange.text(start.changes), dataset: start.fingerprint.description,
            grids: trainer.grids.bounds.map { Int32($0) }, worldSize: communicator.size, hosts: hosts,
            version: ProgramVersion.current, environment: start.environment)
    }
}
