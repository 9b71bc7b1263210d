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
            try start.folder.prepare(
                job: start.job.yaml(), exclusive: options.resume == .never, note: observer.note)
            return try MetricsWriter(run: start.folder.path, from: firstStep)
        }
        (self.job, self.trainer, self.firstStep) = (start.job, trainer, firstStep)
        (engine, memory) = (start.engine, start.memory)
        (self.start, self.runtime, communicator) = (start, runtime, world)
    }

    /// Trains until the job's steps are done; saves every `checkpoint.every` steps and at the end. Collective.
    /// - Throws: `RankFailure`, on all ranks alike.
    public func train(_ observer: Observer) throws {
        observer.began(self)
        let clock = ContinuousClock()
        if start.savesFirst { try saveAndTell(observer) }
        while trainer.state.step < job.training.steps {
            let begin = clock.now
            let report = try trainer.step {
                if let pending { throw pending }
                try start.folder.requireClaim()
            }
            let seconds = (clock.now - begin).seconds
            let loss = try validationLoss(after: report.step)
            record(report, validationLoss: loss, seconds: seconds)
            observer.stepped(report, validationLoss: loss, seconds: seconds)
            if isDue(report.step, every: job.checkpoint.every) { try saveAndTell(observer) }
        }
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

    private func saveAndTell(_ observer: Observer) throws {
        let clock = ContinuousClock()
        let begin = clock.now
        let path = try save()
        observer.saved(path, seconds: (clock.now - begin).seconds)
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
