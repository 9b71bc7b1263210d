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
    /// A checkpoint whose weights a new run begins from.
    public var startFrom: String?

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
    /// Whose weights a new run begins from.
    let weights: CheckpointReader?
    /// Damaged ones that are later than `checkpoint`.
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
        try Self.requireOneJob(job, world)
        let folder = RunFolder(job.run.directory)
        self.folder = folder
        let found = try Self.find(options, folder, world, note: note)
        (checkpoint, skipped) = (found.checkpoint, found.skipped)
        let checkpoint = found.checkpoint
        weights = try world.agree {
            try options.startFrom.map { try CheckpointReader.open(CheckpointStore.resolve($0)) }
        }

        let resumption = try world.agree { try checkpoint.map { try Self.resume(job, $0, options) } }
        changes = resumption?.changes ?? []
        for line in resumption?.notes ?? [] { note(line) }
        if let checkpoint, let resumption, checkpoint.metadata.step >= resumption.job.training.steps {
            note("\(folder.path): step \(checkpoint.metadata.step) was the last; nothing is left to do")
            return nil
        }
        let threads = job.run.threads > 0 ? job.run.threads : try runtime.nodeLocal.threadsPerRank()
        let engine = try world.agree { try Engine(threads: threads) }
        self.engine = engine
        let (dataset, validation) = try world.agree { try Self.openData(job) }
        (self.dataset, self.validation) = (dataset, validation)

        let limit = MemoryLimit.current
        func plan(_ job: ResolvedJob) -> MemoryPlan {
            MemoryPlan(
                job, rank: world.rank, ranks: world.size, threads: threads, dataset: dataset, validation: validation)
        }
        // Both modes give the same bits, so this is a matter of memory alone, and rank 0 decides it for all.
        var resolved = resumption?.job ?? job.resolved { Self.fittingActivations(job, plan, limit, runtime) }
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

        fingerprint = try Self.fingerprint(dataset, runtime)
        environment = [
            "backend": engine.matrix.name, "precision": resolved.training.precision.rawValue,
            "mpi": runtime.libraryVersion, "threads": String(engine.pool.threadCount),
        ]
        try Self.requireEqualRanks(fingerprint, environment, world)
        if let checkpoint {
            for line in try world.agree({
                try Self.requireEqual(checkpoint, fingerprint, environment, allowing: options.allowingChanges)
            }) { note(line) }
        }
        if let line = job.idleNote(forRanks: world.size) { note(line) }
        for line in job.warnings { note(line) }
        let masks = try runtime.nodeLocal.allGather(ProcessorAffinity.mask)
        if let line = ProcessorAffinity.warning(
            masks: masks, node: .current, isLaunched: LauncherEnvironment.isLaunched)
        {
            note(line)
        }
    }

    /// Brings a trainer to where the run begins.
    func begin(_ trainer: Trainer) throws {
        guard let checkpoint else {
            guard let weights else { return trainer.start() }
            return try trainer.state.start(from: weights)
        }
        let metadata = checkpoint.metadata
        try trainer.state.load(checkpoint)
        trainer.state.step = metadata.step
        trainer.state.updates = metadata.updates
        trainer.state.skippedInARow = metadata.skippedInARow
        trainer.grids = GradientGrids(
            bounds: metadata.grids.map { Int($0) }, virtualRanks: job.training.virtualRanks)
    }

    // MARK: - What ranks must agree on

    private static func requireOneJob(_ job: JobConfiguration, _ world: Communicator) throws {
        try world.agree {
            if let problem = job.problems(forRanks: world.size).first { throw Failure(.badData, problem.description) }
        }
        let first = try world.broadcast(job.yaml(), root: 0)
        try world.agree {
            guard job.yaml() != first else { return }
            throw Failure(
                .badData,
                "this rank read another job than rank 0: do all nodes see the same job file, and is every "
                    + "rank given the same options?")
        }
    }

    /// Data and kernels of all ranks against rank 0's: what differs would give other bits on some ranks.
    private static func requireEqualRanks(
        _ fingerprint: DatasetFingerprint, _ environment: [String: String], _ world: Communicator
    ) throws {
        let matters: [(what: String, value: String, remedy: String)] = [
            ("program", ProgramVersion.current, "start the same program on all nodes"),
            (
                "matrix kernels", environment["backend"] ?? "",
                "use nodes of one kind, or set OPENBLAS_CORETYPE to kernels that all of them can run, such as Haswell"
            ),
            ("MPI library", environment["mpi"] ?? "", "load the same MPI on all nodes"),
            ("data set", fingerprint.description, "copy the same data set to all nodes"),
        ]
        for matter in matters {
            let first = try world.broadcast(matter.value, root: 0)
            try world.agree {
                guard matter.value != first else { return }
                throw Failure(
                    .badData,
                    "the \(matter.what) of this rank (\(matter.value)) is not that of rank 0 (\(first)), which gives "
                        + "other bits; \(matter.remedy)")
            }
        }
    }

    /// A data set's fingerprint, found once on each node for all that read the same files.
    private static func fingerprint(_ dataset: ShardedDataset, _ runtime: MPIRuntime) throws -> DatasetFingerprint {
        let found = try runtime.world.agree {
            runtime.nodeLocal.rank == 0 ? try dataset.fingerprint().description : ""
        }
        let shared = try runtime.nodeLocal.broadcast(found, root: 0)
        // A rank that was started in another folder may read other files under the same name.
        let own = dataset.place(of: 0).file
        let first = try runtime.nodeLocal.broadcast(URL(fileURLWithPath: own).path, root: 0)
        let text = try runtime.world.agree {
            Files.isSame(first, own) ? shared : try dataset.fingerprint().description
        }
        guard let fingerprint = DatasetFingerprint(text) else {
            preconditionFailure("a fingerprint that does not read")
        }
        return fingerprint
    }

    // MARK: - Against the checkpoint

    /// The checkpoint to go on from, chosen by rank 0 and opened by all; nil to start anew.
    private static func find(
        _ options: RunOptions, _ folder: RunFolder, _ world: Communicator, note: (String) -> Void
    ) throws -> (checkpoint: CheckpointReader?, skipped: [CheckpointStore.Skipped]) {
        var skipped: [CheckpointStore.Skipped] = []
        let chosen = try world.agree { () -> String in
            guard world.rank == 0 else { return "" }
            if options.startFrom != nil, case .checkpoint = options.resume {
                throw Failure(
                    .usage, "--start-from begins a new run, and --resume PATH goes on with one; give one of them")
            }
            switch options.resume {
            case .never:
                try folder.requireNew()
                return ""
            case .auto:
                try folder.claim(note: note)
                guard let latest = try folder.store.latestValid() else {
                    try folder.requireNothingForeign()
                    return ""
                }
                skipped = latest.skipped
                return latest.reader.path
            case .checkpoint(let path):
                try folder.claim(note: note)
                let checkpoint = try CheckpointStore.resolve(path)
                try folder.requireSequel(to: try CheckpointReader.open(checkpoint))
                return checkpoint
            }
        }
        for one in skipped { note("skipping \(one.reason)") }
        let path = try world.broadcast(chosen, root: 0)
        let reader = try world.agree { path.isEmpty ? nil : try CheckpointReader.open(path) }
        return (reader, skipped)
    }

    private static func resume(
        _ job: JobConfiguration, _ checkpoint: CheckpointReader, _ options: RunOptions
    ) throws -> JobResumption {
        let metadata = checkpoint.metadata
        guard metadata.format >= 2 else {
            throw Failure(
                .badData,
                "\(checkpoint.path): was written by version \(metadata.version), which added gradients in another way, so "
                    + "that no run can go on from it to the same bits. Begin a new run from its weights, in a new "
                    + "run.directory: --start-from \(checkpoint.path)")
        }
        return try job.resumption(
            from: try ResolvedJob.recorded(metadata.jobYAML, in: checkpoint.path), at: metadata.step,
            changes: try JobChange.list(metadata.changes), allowingChanges: options.allowingChanges)
    }

    /// Data and kernels against those that the checkpoint was computed with.
    ///
    /// - Returns: what differs where that is allowed, in words.
    private static func requireEqual(
        _ checkpoint: CheckpointReader, _ fingerprint: DatasetFingerprint, _ environment: [String: String],
        allowing: Bool
    ) throws -> [String] {
        let metadata = checkpoint.metadata
        var found: [String] = []
        if let recorded = DatasetFingerprint(metadata.dataset) {
            found += fingerprint.differences(from: recorded).map { "the data set is another: \($0)" }
        }
        for (key, what) in [("backend", "matrix kernels"), ("precision", "precision")] {
            guard let recorded = metadata.environment[key], let now = environment[key], recorded != now else {
                continue
            }
            found.append("\(what): recorded \(recorded), now \(now), which gives other bits")
        }
        guard !found.isEmpty, !allowing else { return found }
        let core = metadata.environment["backend"]?.split(separator: " ").last.map(String.init) ?? ""
        throw Failure(
            .badData,
            "\(checkpoint.path): this run cannot go on to the same bits:\n  " + found.joined(separator: "\n  ")
                + "\nGive the run what it was begun with (for kernels that this processor can run: "
                + "OPENBLAS_CORETYPE=\(core) in the environment); or --resume \(checkpoint.path) --allow-changes records "
                + "the change and goes on")
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
