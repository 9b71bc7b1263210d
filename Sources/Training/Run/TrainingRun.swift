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
    private let saver: CheckpointSaver
    /// By rank.
    private let hosts: [String]
    /// On rank 0.
    private let metrics: MetricsWriter?
    private var stragglers: Stragglers
    private let began = ContinuousClock.now
    /// Caught from the start on: one that comes before the first step is honoured there.
    private let signals: StopSignals
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
        signals = StopSignals()
        try RunAgreement.requireOneJob(job, world)
        let hosts = try world.allGather(runtime.hostName)
        let startGuard = try StartGuard(job, runtime: runtime, hosts: hosts)
        guard
            let start = try RunStart(
                job, options, runtime: runtime, heartbeat: startGuard.heartbeat, note: observer.note)
        else { return nil }
        let trainer = try world.agree {
            try Trainer(start.job, dataset: start.dataset, communicator: world, engine: start.engine)
        }
        try start.begin(trainer, world)
        validation = start.validation.map { Validation(start.job, dataset: $0, communicator: world) }
        let firstStep = trainer.state.step
        let saving = start.job.checkpoint
        let retention = CheckpointRetention(keepLast: saving.keepLast, keepEvery: saving.keepEvery)
        let saver = CheckpointSaver(
            run: start.folder.path, retention: retention,
            saved: start.checkpoint == nil || start.savesFirst ? nil : firstStep,
            copies: start.job.configuration.savesWhileTraining,
            trainer.state, world, start.engine)
        trainer.saving = { saver.own }
        metrics = try world.agree { () -> MetricsWriter? in
            guard world.rank == 0 else { return nil }
            let count = retention.count(of: firstStep..<start.job.training.steps, every: saving.every)
            // First, because what a save that was killed has left may be what is lacking in room.
            start.folder.cleanPartials()
            try CheckpointSpace.require(saver.bytes, in: start.folder.path)
            if let line = CheckpointSpace.note(saver.bytes, count: count, in: start.folder.path) { observer.note(line) }
            // Only now that the run goes on from an earlier one are damaged ones out of its way.
            try CheckpointStore.setAside(start.skipped.map(\.path))
            try start.folder.prepare(
                job: start.job.yaml(), exclusive: options.resume == .never, note: observer.note)
            return try MetricsWriter(run: start.folder.path, from: firstStep)
        }
        self.hosts = hosts
        (self.job, self.trainer, self.firstStep, self.saver) = (start.job, trainer, firstStep, saver)
        (engine, memory) = (start.engine, start.memory)
        (self.start, self.runtime, communicator) = (start, runtime, world)
        stragglers = Stragglers(
            virtualRanks: (0..<world.size).map { trainer.plan.virtualRanks(of: $0, ranks: world.size).count })
        let record = try RunRecord.start(
            runtime, step: firstStep, threads: start.engine.pool.threadCount, matrix: start.engine.name)
        try world.agree {
            if world.rank == 0 { try RunRecord.append(record, run: start.folder.path) }
        }
        try startGuard.end()
    }

    /// Trains until the job's steps are done, or a signal or the clock asks for an end; saves every `checkpoint.every`
    /// steps and at the end. Collective.
    /// - Throws: `RankFailure`, on all ranks alike.
    public func train(_ observer: Observer) throws -> Ending {
        observer.began(self)
        let runGuard = try RunGuard(
            job, runtime: runtime, hosts: hosts, checkpointBytes: TrainingState.bytes(trainer.state.table),
            spent: (.now - began).seconds, signals: signals)
        trainer.runGuard = runGuard
        if let left = runGuard.secondsLeft {
            observer.note("\(Int(left)) s are left; the run is saved before they are over")
        }
        do {
            let (ending, reason) = try train(observer, runGuard)
            runGuard.end()
            recordEnd(ending.exitCode, reason, observer)
            return ending
        } catch let failure as RankFailure {
            // All ranks are here, and what is being saved is sound.
            tell(try saver.finish(), observer, andThen: "")
            runGuard.end()
            recordEnd(failure.code, failure.description, observer)
            throw failure
        } catch {
            saver.join()
            throw error
        }
    }

    private func train(_ observer: Observer, _ runGuard: RunGuard) throws -> (Ending, reason: String) {
        if start.savesFirst { try saveAndWait(observer) }
        // Starts before this one that came no further than to this step.
        let idle = try communicator.broadcast(
            [communicator.rank == 0 ? RunRecord.idleStarts(run: start.folder.path, at: firstStep) : 0], root: 0)[0]
        if idle == 0 { try makeUpValidation(observer, runGuard) }
        if let wish = trainer.wish { return (.stopped, try stop(wish, observer)) }
        while trainer.state.step < job.training.steps {
            try step(observer, runGuard)
            if let wish = trainer.wish, trainer.state.step < job.training.steps {
                try requireProgress(wish, idleStarts: idle)
                return (.stopped, try stop(wish, observer))
            }
        }
        try writeMetrics()
        return (.finished, "done")
    }

    private func step(_ observer: Observer, _ runGuard: RunGuard) throws {
        let clock = ContinuousClock()
        let begin = clock.now
        guard let report = try trainer.step(after: start.folder.requireClaim) else { return }
        let seconds = (clock.now - begin).seconds
        tell(try saver.advance(report.saving), observer)
        runGuard.measured(.step, (clock.now - begin).seconds)
        let loss = isDue(report.step, every: job.validation.every) ? try validationLoss(runGuard) : nil
        record(report, validationLoss: loss, seconds: seconds, observer)
        observer.stepped(report, validationLoss: loss, seconds: seconds)
        try trainer.requireFewSkipped(report)
        for finding in stragglers.add(report.computeSeconds) { tell(finding, observer) }
        if report.step == job.training.steps {
            try saveAndWait(observer)
        } else if isDue(report.step, every: job.checkpoint.every) {
            try save(observer)
        }
    }

    /// Refuses to stop for being started again where that would go on for ever.
    ///
    /// - Parameter idleStarts: starts before this one that came no further than to where it began.
    /// - Throws: `RankFailure`, on all ranks alike.
    private func requireProgress(_ wish: StopWish, idleStarts: Int) throws {
        guard trainer.state.step == firstStep else { return }
        let what: String
        switch wish.cause {
        case .timeIsUp:
            what =
                "in the time that the run has (run.timeLimit, or what Slurm gives the job), with what saving takes of it"
        // One that comes early may be chance; Slurm's, before its time limit, comes as early each time.
        case .signal where idleStarts >= 2:
            what = "before \(wish.description(host: hosts[wish.rank])), nor in the two starts before this one"
        case .signal: return
        }
        throw RankFailure(
            rank: wish.rank, host: hosts[wish.rank], code: Failure.Status.badData.rawValue,
            message: "no step could be done \(what); give it more time (in Slurm --time, or a later --signal), or "
                + "smaller steps: more ranks, a smaller training.globalBatch, or training.activations: keep")
    }

    /// Saves at a wish to stop.
    /// - Returns: why, for the record.
    private func stop(_ wish: StopWish, _ observer: Observer) throws -> String {
        let step = trainer.state.step
        let reason = wish.description(host: hosts[wish.rank])
        let isSaved = saver.latestStep == step
        observer.note("\(reason): \(isSaved ? "step \(step) is saved;" : "saving at step \(step), then") exit code 75")
        try saveAndWait(observer)
        try writeMetrics()
        return reason
    }

    private func tell(_ finding: Stragglers.Finding, _ observer: Observer) {
        let factor = (10 * finding.factor).rounded() / 10
        observer.note(
            "rank \(finding.rank) on \(hosts[finding.rank]) takes \(factor) times as long for a virtual rank as the "
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

    /// The loss on held-out data, where there are any; nil where a wish to stop came first. Collective.
    private func validationLoss(_ runGuard: RunGuard) throws -> Double? {
        guard let validation else { return nil }
        let clock = ContinuousClock()
        let begin = clock.now
        let loss = try trainer.validate(validation)
        if loss != nil { runGuard.measured(.validation, (clock.now - begin).seconds) }
        return loss
    }

    /// Measures what a stop left out after the step that the run goes on from. Once only: a run that is stopped in it
    /// again and again is to come further all the same. Collective.
    private func makeUpValidation(_ observer: Observer, _ runGuard: RunGuard) throws {
        guard validation != nil, firstStep > 0, isDue(firstStep, every: job.validation.every) else { return }
        let isMissing = try communicator.broadcast([metrics?.lacksValidation(of: firstStep) == true ? 1 : 0], root: 0)
        guard isMissing == [1], let loss = try validationLoss(runGuard) else { return }
        observer.note("validation loss after step \(firstStep), made up: \((1e4 * loss).rounded() / 1e4)")
        do {
            try metrics?.makeUp(validationLoss: loss)
        } catch {
            observer.note("\(error); training goes on without it")
        }
    }

    /// A disk without room for a line stops no training: the line waits.
    private func record(_ report: StepReport, validationLoss: Double?, seconds: Double, _ observer: Observer) {
        // A step whose validation was left out has a line, too, to be completed.
        let isValidated = validation != nil && isDue(report.step, every: job.validation.every)
        guard let metrics,
            isDue(report.step, every: job.run.metricsEvery) || isValidated || report.skipped != nil
                || report.residuals != nil
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

    /// Lines that still wait, at the end. Collective.
    private func writeMetrics() throws { try communicator.agree { try metrics?.writeWaiting() } }

    // MARK: - Saving

    /// Saves the present state, while training goes on where it may; a save that is under way is waited for first. One
    /// that fails is told of, and training goes on. Collective.
    private func save(_ observer: Observer) throws {
        trainer.runGuard?.heartbeat.enter(.saving)
        tell(try saver.finish(), observer)
        let ending = try saver.begin(metadata)
        tell(try saver.copies ? ending : ending ?? saver.finish(), observer)
    }

    /// Saves the present state, unless that was done, and waits for it. Collective.
    ///
    /// - Throws: `RankFailure`, with exit code 74, if it cannot be saved.
    private func saveAndWait(_ observer: Observer) throws {
        trainer.runGuard?.heartbeat.enter(.saving)
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
        case .saved(let report?):
            trainer.runGuard?.measured(save: report.secondsInAll)
            observer.saved(report)
        case .failed(let failure): observer.note("\(failure)\(remark)")
        }
    }

    /// Of the present state, for a folder that is still this run's.
    private func metadata() throws -> CheckpointMetadata {
        try start.folder.requireClaim()
        let state = trainer.state
        // Each once, in the order of their first ranks.
        let hosts = hosts.reduce(into: [String]()) { known, host in
            if !known.contains(host) { known.append(host) }
        }
        return CheckpointMetadata(
            step: state.step, updates: state.updates, skippedInARow: state.skippedInARow,
            jobYAML: job.yaml(), changes: try JobChange.text(start.changes), dataset: start.fingerprint.description,
            labelNames: start.dataset.labelNames, grids: trainer.grids.bounds.map { Int32($0) },
            timestepCounts: trainer.timesteps.history?.counts ?? [],
            timestepLosses: trainer.timesteps.history?.losses ?? [],
            worldSize: communicator.size, hosts: hosts,
            version: ProgramVersion.current, environment: start.environment)
    }
}
