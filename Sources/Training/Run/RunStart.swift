import Checkpoints
import Compute
import Datasets
import Distributed
import Foundation
import Jobs
import Model
import Reporting
import Storage

/// How a run begins.
public struct RunOptions: Equatable, Sendable {
    /// What to do about an earlier run in the same folder.
    public enum Resume: Equatable, Sendable {
        /// Refuse a folder that exists.
        case never
        /// Go on from the latest valid checkpoint, or start anew where there is none at all.
        case auto
        /// Go on from this checkpoint.
        case checkpoint(String)
    }

    public var resume = Resume.never
    /// Whether what gives other bits than the recorded run is meant, and recorded.
    public var allowingChanges = false
    /// A checkpoint, or a safetensors file, whose weights a new run begins from.
    public var startFrom: String?
    /// Keys of the job that were given beside the job file: a change of these takes back an earlier one.
    public var overriddenKeys: Set<String> = []

    public init() {}
}

/// Everything that ranks settle before the first step: where the run goes on from, with which job, data and kernels.
///
/// Made collectively; the same on all ranks but for what is open.
struct RunStart {
    let folder: RunFolder
    let job: ResolvedJob
    /// Deliberate changes of the run's job so far.
    let changes: [JobChange]
    /// To go on from; nil for a new run.
    let checkpoint: CheckpointReader?
    /// What a new run begins from; nil for initial weights.
    let weights: RunOrigin.Weights?
    /// Whether what the run begins from lies outside its folder: it is then saved before the first step, so that the
    /// run goes on from there whatever happens.
    let savesFirst: Bool
    /// Damaged ones that are later than `checkpoint`; on rank 0.
    let skipped: [CheckpointStore.Skipped]
    let engine: Engine
    let dataset: ShardedDataset
    let validation: ShardedDataset?
    /// Of `dataset`, as checkpoints record it.
    let fingerprint: DatasetFingerprint
    /// What else decides about bits, as checkpoints record it.
    let environment: [String: String]
    let memory: MemoryPlan

    /// - Parameter note: is told on every rank what a person should know.
    /// - Returns: nil if the run has no steps left to do.
    /// - Throws: `RankFailure`, on all ranks alike.
    init?(
        _ job: JobConfiguration, _ options: RunOptions, runtime: MPIRuntime, note: (String) -> Void
    ) throws {
        let world = runtime.world
        try RunAgreement.requireOneJob(job, world)
        let folder = RunFolder(job.run.directory)
        self.folder = folder
        let origin = try RunOrigin(options, folder, world, note: note)
        (checkpoint, weights, skipped) = (origin.checkpoint, origin.weights, origin.skipped)
        savesFirst = origin.isElsewhere
        let checkpoint = origin.checkpoint

        let resumption = try world.agree { try checkpoint.map { try RunOrigin.resume(job, $0, options) } }
        for line in resumption?.notes ?? [] { note(line) }
        if let checkpoint, let resumption, checkpoint.metadata.step >= resumption.job.training.steps {
            note("\(folder.path): step \(checkpoint.metadata.step) was the last; nothing is left to do")
            return nil
        }
        // The job as the run goes on: recorded changes may have other virtual ranks than the job file.
        let running = resumption?.job ?? job.resolved { .keep }
        try world.agree {
            if let problem = running.configuration.problems(forRanks: world.size).first {
                throw Failure(.badData, problem.description)
            }
            try MemoryPlan.requireCountable(running)
        }
        let threads = job.run.threads > 0 ? job.run.threads : try runtime.nodeLocal.threadsPerRank()
        let engine = try world.agree { try Engine(threads: threads) }
        self.engine = engine
        let (found, validation) = try world.agree { try Self.openData(job) }
        let dataset = try job.data.stage.map { try Staging.stage(found, in: $0, runtime, note: note) } ?? found
        (self.dataset, self.validation) = (dataset, validation)

        let limit = MemoryLimit.current
        func plan(_ job: ResolvedJob) -> MemoryPlan {
            MemoryPlan(
                job, rank: world.rank, ranks: world.size, threads: threads, dataset: dataset, validation: validation)
        }
        // Both modes give the same bits, so this is a matter of memory alone, and rank 0 decides it for all.
        var resolved =
            resumption?.job
            ?? job.resolved(shuffle: dataset.isHeld ? .full : .window) {
                Self.fittingActivations(job, plan, limit, runtime)
            }
        if job.training.activations == nil {
            let keeps = try world.broadcast([resolved.activations == .keep ? 1 : 0], root: 0) == [1]
            resolved = resolved.with(activations: keeps ? .keep : .recompute)
        }
        self.job = resolved
        let memory = plan(resolved)
        self.memory = memory
        try world.agree {
            try memory.requireFits(
                resolved, ranks: runtime.nodeLocal.size, limit: limit, isResumed: checkpoint != nil)
        }

        fingerprint = try RunAgreement.fingerprint(dataset, runtime)
        var environment = [
            "backend": engine.matrix.name, "precision": resolved.training.precision.rawValue,
            "arithmetic": "\(Engine.arithmetic)", "mpi": runtime.libraryVersion,
            "threads": String(engine.pool.threadCount),
        ]
        // Only there does it decide about bits.
        if resolved.shuffle == .window { environment["layout"] = dataset.layout.description }
        self.environment = environment
        let held = try validation.map { try RunAgreement.fingerprint($0, runtime).description }
        try RunAgreement.requireEqualRanks(fingerprint, validation: held ?? "none", environment, world)
        var changes = resumption?.changes ?? []
        if let checkpoint {
            let (fingerprint, environment) = (fingerprint, self.environment)
            let found = try world.agree {
                try RunOrigin.differences(
                    checkpoint, fingerprint, environment, changes: changes, allowing: options.allowingChanges)
            }
            for change in found {
                note("\(change.key): \(change.from) so far, \(change.to) from step \(change.step) on; recorded")
            }
            changes += found
        }
        self.changes = changes
        if let line = running.configuration.idleNote(forRanks: world.size) { note(line) }
        for line in running.configuration.warnings { note(line) }
        if let checkpoint, !savesFirst {
            let lost = try world.agree {
                try world.rank == 0 ? MetricsWriter.loss(run: folder.path, goingOnFrom: checkpoint.metadata) : nil
            }
            if let lost { note(lost) }
        }
        let masks = try runtime.nodeLocal.allGather(ProcessorAffinity.mask)
        if let line = ProcessorAffinity.warning(
            masks: masks, node: .current, isLaunched: LauncherEnvironment.isLaunched)
        {
            note(line)
        }
    }

    /// Brings a trainer to where the run begins. Collective.
    ///
    /// - Throws: `RankFailure`, on all ranks alike.
    func begin(_ trainer: Trainer, _ world: Communicator) throws {
        guard let checkpoint else {
            switch weights {
            case nil: return trainer.start()
            case .checkpoint(let reader):
                try world.agree {
                    try job.model.requireNetwork(recordedIn: reader.metadata.jobYAML, of: reader.path)
                }
                return try trainer.state.start(from: reader, world)
            case .file(let file):
                try world.agree { try job.model.requireNetwork(recordedIn: file.jobYAML, of: file.path) }
                return try trainer.state.start(from: file, world)
            }
        }
        let metadata = checkpoint.metadata
        try trainer.state.load(checkpoint, world)
        trainer.state.step = metadata.step
        trainer.state.updates = metadata.updates
        trainer.state.skippedInARow = metadata.skippedInARow
        trainer.grids = GradientGrids(
            bounds: metadata.grids.map { Int($0) }, virtualRanks: job.training.virtualRanks)
    }

    // MARK: - Data and memory

    private static func openData(_ job: JobConfiguration) throws -> (ShardedDataset, ShardedDataset?) {
        let dataset = try ShardedDataset(path: job.data.path)
        try dataset.requireFits(job.model)
        let validation = try job.validation.path.map { try ShardedDataset(path: $0) }
        try validation?.requireFits(job.model)
        return (dataset, validation)
    }

    /// Activations are kept where they take no more than a quarter of a rank's share of the node.
    private static func fittingActivations(
        _ job: JobConfiguration, _ plan: (ResolvedJob) -> MemoryPlan, _ limit: MemoryLimit?, _ runtime: MPIRuntime
    ) -> ActivationMode {
        guard let limit else { return .keep }
        let kept = plan(job.resolved { .keep }).activationBytes
        return kept <= limit.bytes / runtime.nodeLocal.size / 4 ? .keep : .recompute
    }
}
