import Checkpoints
import Compute
import Datasets
import Diffusion
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
    /// A checkpoint, a safetensors file or a model's folder, whose weights a new run begins from.
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

    /// - Parameters:
    ///   - given: the job, the same on all ranks.
    ///   - heartbeat: is told what takes its time.
    ///   - note: is told on every rank what a person should know.
    /// - Returns: nil if the run has no steps left to do.
    /// - Throws: `RankFailure`, on all ranks alike.
    init?(
        _ given: JobConfiguration, _ options: RunOptions, runtime: MPIRuntime, heartbeat: Heartbeat,
        note: (String) -> Void
    ) throws {
        let world = runtime.world
        let job = try Self.countingSteps(given, world, note: note)
        let folder = RunFolder(job.run.directory)
        self.folder = folder
        let origin = try RunOrigin(options, folder, world, note: note)
        (checkpoint, weights, skipped) = (origin.checkpoint, origin.weights, origin.skipped)
        savesFirst = origin.isElsewhere
        let checkpoint = origin.checkpoint

        var options = options
        // The steps that epochs are count as given where the epochs are.
        if given.training.epochs != nil, options.overriddenKeys.contains("training.epochs") {
            options.overriddenKeys.insert("training.steps")
        }
        let resumption = try world.agree { [options] in
            try checkpoint.map { try RunOrigin.resume(job, $0, options) }
        }
        for line in resumption?.notes ?? [] { note(line) }
        if let checkpoint, let resumption, checkpoint.metadata.step >= resumption.job.training.steps {
            note("\(folder.path): step \(checkpoint.metadata.step) was the last; nothing is left to do")
            let keys = resumption.recording.map(\.key).filter { $0 != "training.steps" }.joined(separator: ", ")
            if !keys.isEmpty {
                note("\(keys): not changed, for a change begins with a step, and none is left; raise training.steps")
            }
            return nil
        }
        for change in resumption?.recording ?? [] { note(change.note) }
        // The job as the run goes on: recorded changes may have other virtual ranks than the job file.
        let running = resumption?.job ?? job.resolved { _ in .keep }
        try Self.requireSound(running, world)
        let threads = job.run.threads > 0 ? job.run.threads : try runtime.nodeLocal.threadsPerRank()
        engine = try Self.engine(job, resumption, checkpoint, threads: threads, world)
        (dataset, validation) = try Self.openData(job, runtime, heartbeat, note: note)
        (self.job, memory) = try Self.resolve(
            job, resumption, engine: engine, dataset: dataset, validation: validation, runtime)

        fingerprint = try RunAgreement.fingerprint(dataset, runtime)
        environment = Self.environment(self.job, engine, dataset, runtime)
        let held = try validation.map { try RunAgreement.fingerprint($0, runtime).description }
        try RunAgreement.requireEqualRanks(fingerprint, validation: held ?? "none", environment, world)
        changes = try Self.changes(
            resumption?.changes ?? [], from: checkpoint, fingerprint, environment, options, world, note: note)
        try Self.tellSettings(running.configuration, runtime, note: note)
        if let checkpoint, !savesFirst {
            let lost = try world.agree {
                try world.rank == 0 ? MetricsWriter.loss(run: folder.path, goingOnFrom: checkpoint.metadata) : nil
            }
            if let lost { note(lost) }
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
                try world.agree { try job.model.requireNetwork(recordedIn: file.job?.text, of: file.path) }
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
        // A run that was deliberately changed may have none, or one of other noise levels: then it begins anew.
        let recorded = TimestepSampler.History(
            counts: metadata.timestepCounts, losses: metadata.timestepLosses, steps: job.diffusion.steps)
        if job.training.timestepSampler == .secondMoment, let recorded { trainer.timesteps.restore(recorded) }
    }

    // MARK: - Its parts, collective but for what they say

    /// The job with its steps counted, where it tells epochs.
    private static func countingSteps(
        _ job: JobConfiguration, _ world: Communicator, note: (String) -> Void
    ) throws -> JobConfiguration {
        guard job.training.epochs != nil else { return job }
        let (counted, line) = try world.agree {
            let samples = try ShardedDataset(path: job.data.path).count
            let counted = try job.countingSteps(samples: samples)
            return (counted, job.countNote(samples: samples, counted: counted))
        }
        if let line { note(line) }
        return counted
    }

    private static func requireSound(_ job: ResolvedJob, _ world: Communicator) throws {
        try world.agree {
            if let problem = job.configuration.problems(forRanks: world.size).first {
                throw Failure(.badData, problem.description)
            }
            try MemoryPlan.requireCountable(job)
        }
    }

    /// The data to train on, on the node's own disk where the job says so, and those held out.
    private static func openData(
        _ job: JobConfiguration, _ runtime: MPIRuntime, _ heartbeat: Heartbeat, note: (String) -> Void
    ) throws -> (ShardedDataset, ShardedDataset?) {
        let (found, validation) = try runtime.world.agree {
            let dataset = try ShardedDataset(path: job.data.path)
            try dataset.requireFits(job.model)
            let validation = try job.validation.path.map { try ShardedDataset(path: $0) }
            try validation?.requireFits(job.model)
            return (dataset, validation)
        }
        if job.model.conditioning == .classes, let names = found.labelNames, names.count < job.model.classes {
            note(
                "\(found.name.base) has \(names.count) classes and model.classes is \(job.model.classes): the others are "
                    + "never trained, though images can be drawn of them; set model.classes to \(names.count) if that is "
                    + "not meant")
        }
        guard let folder = job.data.stage else { return (found, validation) }
        heartbeat.enter(.staging)
        defer { heartbeat.enter(.starting) }
        return (try Staging.stage(found, in: folder, runtime, note: note), validation)
    }

    /// Threads and kernels: the library that a checkpoint was computed with, where the job leaves the choice, and the
    /// precision that all ranks' processors are faster with, where nothing tells.
    private static func engine(
        _ job: JobConfiguration, _ resumption: JobResumption?, _ checkpoint: CheckpointReader?, threads: Int,
        _ world: Communicator
    ) throws -> Engine {
        var library = job.run.gemm
        if library == .auto, let recorded = checkpoint?.metadata.environment["backend"] {
            library = .recorded(recorded)
        }
        // A resume goes on with what its changes made of the job file.
        let precision =
            try resumption?.job.precision ?? job.training.precision ?? common(library.fasterPrecision, world)
        // Which library is the fastest depends on the precision: a run that changes the one chooses the other anew.
        if job.run.gemm == .auto, let recorded = checkpoint?.metadata.environment["precision"],
            recorded != precision.rawValue
        {
            library = .auto
        }
        return try world.agree { try Engine(threads: threads, library: library, precision: precision) }
    }

    private static func common(_ faster: Precision, _ world: Communicator) throws -> Precision {
        try world.allGather(faster.rawValue).allSatisfy { $0 == Precision.bf16.rawValue } ? .bf16 : .float32
    }

    /// The job with nothing left to choose, and what it takes of memory, which is there.
    private static func resolve(
        _ job: JobConfiguration, _ resumption: JobResumption?, engine: Engine, dataset: ShardedDataset,
        validation: ShardedDataset?, _ runtime: MPIRuntime
    ) throws -> (ResolvedJob, MemoryPlan) {
        let world = runtime.world
        let limit = MemoryLimit.current(processes: runtime.nodeLocal.size, addressing: MemoryPlan.addressBytes)
        let program = MemoryPlan.programBytes(engine, afterStart: true)
        let fit = MemoryFit(limit: limit, ranksOnNode: runtime.nodeLocal.size) {
            MemoryPlan(
                $0, rank: world.rank, ranks: world.size, engine: engine, data: dataset.shape,
                validation: validation?.shape, program: program)
        }
        var resolved =
            resumption?.job
            ?? job.resolved(shuffle: dataset.isHeld ? .full : .window, precision: engine.precision) {
                fit.activations($0, given: job)
            }
        // Both modes give the same bits, so this is a matter of memory alone: of the rank that has least.
        if job.training.activations == nil {
            let keeps = try world.allReduce(resolved.activations == .keep ? 1 : 0, .min) == 1
            resolved = resolved.with(activations: keeps ? .keep : .recompute)
        }
        let microbatch = fit.fitted(resolved, given: job).microbatchSize
        resolved = resolved.with(microbatch: try world.allReduce(microbatch, .min))
        let memory = fit.plan(resolved)
        let job = resolved
        try world.agree { try memory.requireFits(job, ranks: runtime.nodeLocal.size, limit: limit) }
        return (job, memory)
    }

    private static func environment(
        _ job: ResolvedJob, _ engine: Engine, _ dataset: ShardedDataset, _ runtime: MPIRuntime
    ) -> [String: String] {
        var environment = [
            "backend": engine.name, "precision": engine.precision.rawValue,
            "arithmetic": "\(Engine.arithmetic)", "mpi": runtime.libraryVersion,
            "threads": String(engine.pool.threadCount),
        ]
        // Only there does it decide about bits.
        if job.shuffle == .window { environment["layout"] = dataset.layout.description }
        return environment
    }

    /// All deliberate changes so far, with those of data, kernels and arithmetic that this start brings.
    private static func changes(
        _ recorded: [JobChange], from checkpoint: CheckpointReader?, _ fingerprint: DatasetFingerprint,
        _ environment: [String: String], _ options: RunOptions, _ world: Communicator, note: (String) -> Void
    ) throws -> [JobChange] {
        guard let checkpoint else { return recorded }
        let found = try world.agree {
            try RunOrigin.differences(
                checkpoint, fingerprint, environment, changes: recorded, allowing: options.allowingChanges)
        }
        for change in found { note(change.note) }
        return recorded + found
    }

    /// What is allowed, and perhaps not meant.
    private static func tellSettings(
        _ job: JobConfiguration, _ runtime: MPIRuntime, note: (String) -> Void
    ) throws {
        if let line = job.idleNote(forRanks: runtime.world.size) { note(line) }
        for line in job.warnings { note(line) }
        let masks = try runtime.nodeLocal.allGather(ProcessorAffinity.mask)
        if let line = ProcessorAffinity.warning(
            masks: masks, node: .current, isLaunched: LauncherEnvironment.isLaunched)
        {
            note(line)
        }
    }
}
