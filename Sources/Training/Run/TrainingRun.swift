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
        /// On rank 0.
        func saved(_ report: SaveReport)
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
    private let saver: CheckpointSaver
    /// Each once, in the order of their first ranks.
    private let hosts: [String]
    /// On rank 0.
    private let metrics: MetricsWriter?
    /// Whether lines of metrics wait for a disk to have room.
    private var metricsWait = false

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
        let saving = start.job.checkpoint
        let retention = CheckpointRetention(keepLast: saving.keepLast, keepEvery: saving.keepEvery)
        let saver = CheckpointSaver(
            run: start.folder.path, retention: retention,
            saved: start.checkpoint == nil || start.savesFirst ? nil : firstStep, trainer.state, world, start.engine)
        trainer.saving = { saver.own }
        metrics = try world.agree { () -> MetricsWriter? in
            guard world.rank == 0 else { return nil }
            let count = retention.count(of: firstStep..<start.job.training.steps, every: saving.every)
            try CheckpointSpace.require(saver.bytes, in: start.folder.path)
            if let line = CheckpointSpace.note(saver.bytes, count: count, in: start.folder.path) { observer.note(line) }
            // Only now that the run goes on from an earlier one are damaged ones out of its way.
            try CheckpointStore.setAside(start.skipped.map(\.path))
            try start.folder.prepare(job: start.job.yaml(), exclusive: options.resume == .never)
            return try MetricsWriter(run: start.folder.path, from: firstStep)
        }
        hosts = try world.allGather(runtime.hostName).reduce(into: []) { known, host in
            if !known.contains(host) { known.append(host) }
        }
        (self.job, self.trainer, self.firstStep, self.saver) = (start.job, trainer, firstStep, saver)
        (engine, memory) = (start.engine, start.memory)
        (self.start, self.runtime, communicator) = (start, runtime, world)
    }

    /// Trains until the job's steps are done; saves every `checkpoint.every` steps and at the end. Collective.
    /// - Throws: `RankFailure`, on all ranks alike.
    public func train(_ observer: Observer) throws {
        observer.began(self)
        do {
            if start.savesFirst { try saveAndWait(observer) }
            while trainer.state.step < job.training.steps { try step(observer) }
            try communicator.agree { try metrics?.writeWaiting() }
        } catch let failure as RankFailure {
            // All ranks are here, and what is being saved is sound.
            tell(try saver.finish(), observer, andThen: "")
            throw failure
        } catch {
            saver.join()
            throw error
        }
    }

    private func step(_ observer: Observer) throws {
        let clock = ContinuousClock()
        let begin = clock.now
        let report = try trainer.step()
        let seconds = (clock.now - begin).seconds
        tell(try saver.advance(report.saving), observer)
        let loss = try validationLoss(after: report.step)
        record(report, validationLoss: loss, seconds: seconds, observer)
        observer.stepped(report, validationLoss: loss, seconds: seconds)
        if report.step == job.training.steps {
            try saveAndWait(observer)
        } else if isDue(report.step, every: job.checkpoint.every) {
            try save(observer)
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

    /// A disk without room for a line stops no training: the line waits.
    private func record(_ report: StepReport, validationLoss: Double?, seconds: Double, _ observer: Observer) {
        guard let metrics,
            isDue(report.step, every: job.run.metricsEvery) || validationLoss != nil || report.skipped != nil
        else { return }
        do {
            try metrics.append(
                MetricsLine(
                    report, epoch: trainer.plan.epochs(step: report.step), seconds: seconds,
                    samples: job.training.globalBatch, validationLoss: validationLoss))
            metricsWait = false
        } catch {
            if !metricsWait { observer.note("\(error); training goes on, and its lines are written when they can be") }
            metricsWait = true
        }
    }

    // MARK: - Saving

    /// Saves the present state while training goes on; a save that is under way is waited for first. One that fails is
    /// told of, and training goes on. Collective.
    private func save(_ observer: Observer) throws {
        tell(try saver.finish(), observer)
        tell(try saver.begin(metadata), observer)
    }

    /// Saves the present state, unless that was done, and waits for it. Collective.
    ///
    /// - Throws: `RankFailure`, with exit code 74, if it cannot be saved.
    private func saveAndWait(_ observer: Observer) throws {
        var ending = try saver.finish()
        if saver.latestStep != trainer.state.step {
            tell(ending, observer)
            ending = try saver.begin(metadata) ?? saver.finish()
        }
        guard case .failed(let failure) = ending else { return tell(ending, observer) }
        throw RankFailure(
            rank: failure.rank, host: failure.host, code: failure.code,
            message: failure.message + "; once that is mended, go on from the latest checkpoint: --resume auto")
    }

    /// - Parameter remark: follows what is said of a save that failed.
    private func tell(
        _ ending: CheckpointSaver.Ending?, _ observer: Observer,
        andThen remark: String = "; training goes on, and the next save tries again"
    ) {
        switch ending {
        case nil, .saved(nil): break
        case .saved(let report?): observer.saved(report)
        case .failed(let failure): observer.note("\(failure)\(remark)")
        }
    }

    /// Of the present state.
    private func metadata() throws -> CheckpointMetadata {
        let state = trainer.state
        return CheckpointMetadata(
            step: state.step, updates: state.updates, skippedInARow: state.skippedInARow,
            jobYAML: job.yaml(), changes: try JobChange.text(start.changes), dataset: start.fingerprint.description,
            grids: trainer.grids.bounds.map { Int32($0) }, worldSize: communicator.size, hosts: hosts,
            version: ProgramVersion.current, environment: start.environment)
    }
}
