import Checkpoints
import Compute
import Datasets
import Distributed
import Jobs
import Reporting
import Storage

/// Where a run goes on, or begins, from: looked for by rank 0, read by all together.
struct RunOrigin {
    /// What a new run takes its weights from.
    enum Weights {
        /// Weights and their average.
        case checkpoint(CheckpointReader)
        /// Weights, which are their own average.
        case file(WeightsFile)
    }

    /// To go on from; nil for a new run.
    let checkpoint: CheckpointReader?
    /// What a new run begins from; nil for initial weights.
    let weights: Weights?
    /// Damaged ones in the run's folder that are later than `checkpoint`; on rank 0.
    let skipped: [CheckpointStore.Skipped]
    /// Whether either lies outside the run's folder.
    let isElsewhere: Bool

    /// Collective.
    init(_ options: RunOptions, _ folder: RunFolder, _ world: Communicator, note: (String) -> Void) throws {
        let reading = CollectiveReading(world)
        var skipped: [CheckpointStore.Skipped] = []
        func skip(_ one: CheckpointStore.Skipped) {
            note("skipping \(one.reason)")
            skipped.append(one)
        }
        let checkpoint = try reading.latestValid(skipped: skip) { try Self.candidates(options, folder, note: note) }
        var isOwn = 1
        var ownSkipped: [CheckpointStore.Skipped] = []
        try world.agree {
            guard world.rank == 0, let checkpoint else { return }
            let own = try folder.store.committed().map(\.path)
            isOwn = own.contains { Files.isSame($0, checkpoint.path) } ? 1 : 0
            // Another run's damaged ones are left as they are.
            ownSkipped = skipped.filter { one in own.contains { Files.isSame($0, one.path) } }
            if case .checkpoint = options.resume {
                try folder.requireSequel(to: checkpoint, skipping: skipped.map(\.path))
            }
        }
        self.checkpoint = checkpoint
        self.skipped = ownSkipped
        weights = checkpoint == nil ? try Self.weights(options, reading, world, note: note) : nil
        isElsewhere = try weights != nil || world.broadcast([isOwn], root: 0) != [1]
    }

    /// Where to look for a checkpoint to go on from; nil where a run is to begin anew. On rank 0.
    private static func candidates(
        _ options: RunOptions, _ folder: RunFolder, note: (String) -> Void
    ) throws -> CheckpointCandidates? {
        switch options.resume {
        case .never:
            try folder.requireNew()
            return nil
        case .auto:
            try folder.claim(note: note)
            let candidates = try CheckpointCandidates(folder.store)
            if candidates.isEmpty { try folder.requireNothingForeign() }
            return candidates
        case .checkpoint(let path):
            try folder.claim(note: note)
            return try CheckpointCandidates(under: path)
        }
    }

    /// What a new run takes its weights from, where the command says so. Collective.
    private static func weights(
        _ options: RunOptions, _ reading: CollectiveReading, _ world: Communicator, note: (String) -> Void
    ) throws -> Weights? {
        guard let path = options.startFrom else { return nil }
        let found = try world.agree { try world.rank == 0 && WeightsFile.find(path) != nil ? 1 : 0 }
        guard try world.broadcast([found], root: 0) == [1] else {
            func skip(_ one: CheckpointStore.Skipped) { note("skipping \(one.reason)") }
            return try reading.latestValid(skipped: skip) { try CheckpointCandidates(under: path) }.map {
                .checkpoint($0)
            }
        }
        let file = try world.agree { try WeightsFile.required(path) }
        try RunAgreement.requireSame(file.seal, "file of weights at \(path)", world)
        return .file(file)
    }

    // MARK: - Against the checkpoint

    /// The job with which a run goes on from a checkpoint.
    static func resume(
        _ job: JobConfiguration, _ checkpoint: CheckpointReader, _ options: RunOptions
    ) throws -> JobResumption {
        let metadata = checkpoint.metadata
        guard checkpoint.holds(group: TrainingState.firstMomentGroup) else {
            throw Failure(
                .badData,
                "\(checkpoint.path): holds weights and their average, but no optimizer to go on with, as what was imported. "
                    + "Begin a new run from it, in a new run.directory: --start-from \(checkpoint.path)")
        }
        guard metadata.format >= 2 else {
            throw Failure(
                .badData,
                "\(checkpoint.path): was written by version \(metadata.version), which added gradients in another way, so "
                    + "that no run can go on from it to the same bits. Begin a new run from its weights, in a new "
                    + "run.directory: --start-from \(checkpoint.path)")
        }
        return try job.resumption(
            from: try ResolvedJob.recorded(metadata.jobYAML, in: checkpoint.path), at: metadata.step,
            changes: try JobChange.list(metadata.changes), allowingChanges: options.allowingChanges,
            explicit: options.overriddenKeys)
    }

    /// How to have matrix kernels again.
    private static func remedy(kernels: String) -> String {
        switch MatrixLibrary.recorded(kernels) {
        case .native: return "its kernels: the version of this program that wrote it (--set run.gemm=native)"
        case .openblas: break
        default:
            return "its kernels: the same version of oneDNN on a processor with the same instructions (--set "
                + "run.gemm=onednn)"
        }
        let core = kernels.split(separator: " ").last.map(String.init) ?? ""
        return "its kernels, where this processor runs them (--set run.gemm=openblas, and OPENBLAS_CORETYPE=\(core) in "
            + "the environment)"
    }

    /// Data, kernels and arithmetic against those that the checkpoint was computed with.
    ///
    /// - Parameter changes: deliberate ones so far.
    /// - Returns: what differs, where that is allowed.
    static func differences(
        _ checkpoint: CheckpointReader, _ fingerprint: DatasetFingerprint, _ environment: [String: String],
        changes: [JobChange], allowing: Bool
    ) throws -> [JobChange] {
        let metadata = checkpoint.metadata
        var found: [JobChange] = []
        var remedies: [String] = []
        var lines: [String] = []
        func add(_ key: String, _ from: String, _ to: String) {
            found.append(JobChange(key: key, from: from, to: to, step: metadata.step))
        }
        if let recorded = DatasetFingerprint(metadata.dataset), recorded != fingerprint {
            add("data set", recorded.description, fingerprint.description)
            lines += fingerprint.differences(from: recorded).map { "the data set is another: \($0)" }
            let change = changes.last { $0.key == "data set" }
            remedies.append(
                change.map { "the data set that it was changed to at step \($0.step) (--set data.path=...)" }
                    ?? "the data set it was begun with")
        }
        for (key, what) in [
            ("backend", "matrix kernels"), ("precision", "precision"), ("arithmetic", "arithmetic"),
            ("layout", "layout of the data set"),
        ] {
            guard let recorded = metadata.environment[key], let now = environment[key], recorded != now else {
                continue
            }
            add(what, recorded, now)
            lines.append("\(what): recorded \(recorded), now \(now), which gives other bits")
            switch key {
            case "backend":
                remedies.append(Self.remedy(kernels: recorded))
            case "arithmetic": remedies.append("the version of this program that wrote it")
            case "layout":
                remedies.append(
                    "the data set as it was packed then, whose chunks decide about the order of samples (with --set "
                        + "data.shuffle=full --allow-changes they do not)")
            default: remedies.append("its \(what)")
            }
        }
        guard !found.isEmpty, !allowing else { return found }
        throw Failure(
            .badData,
            "\(checkpoint.path): this run cannot go on to the same bits:\n  " + lines.joined(separator: "\n  ")
                + "\nGive the run \(remedies.joined(separator: ", and ")); or --resume \(checkpoint.path) --allow-changes "
                + "records the change and goes on")
    }
}
