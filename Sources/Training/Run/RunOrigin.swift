import Checkpoints
import Datasets
import Distributed
import Jobs
import Reporting
import Storage

/// Where a run goes on, or begins, from: chosen by rank 0, opened by all.
struct RunOrigin {
    /// To go on from; nil for a new run.
    let checkpoint: CheckpointReader?
    /// Whose weights a new run begins from.
    let weights: CheckpointReader?
    /// Damaged ones in the run's folder that are later than `checkpoint`.
    let skipped: [CheckpointStore.Skipped]
    /// Whether either lies outside the run's folder.
    let isElsewhere: Bool

    /// Collective.
    init(_ options: RunOptions, _ folder: RunFolder, _ world: Communicator, note: (String) -> Void) throws {
        var found: (path: String, skipped: [CheckpointStore.Skipped]) = ("", [])
        var weightsPath = ""
        try world.agree {
            guard world.rank == 0 else { return }
            found = try Self.choose(options, folder, note: note)
            if found.path.isEmpty, let path = options.startFrom { weightsPath = try CheckpointStore.resolve(path) }
        }
        for one in found.skipped { note("skipping \(one.reason)") }
        skipped = found.skipped
        let checkpoint = try Self.open(found.path, world)
        let weights = try Self.open(weightsPath, world)
        (self.checkpoint, self.weights) = (checkpoint, weights)
        let isOwn = try world.agree {
            guard let checkpoint else { return weights == nil }
            return try folder.store.committed().contains { Files.isSame($0.path, checkpoint.path) }
        }
        isElsewhere = !isOwn
    }

    private static func choose(
        _ options: RunOptions, _ folder: RunFolder, note: (String) -> Void
    ) throws -> (path: String, skipped: [CheckpointStore.Skipped]) {
        switch options.resume {
        case .never:
            try folder.requireNew()
            return ("", [])
        case .auto:
            try folder.claim(note: note)
            guard let latest = try folder.store.latestValid() else {
                try folder.requireNothingForeign()
                return ("", [])
            }
            return (latest.reader.path, latest.skipped)
        case .checkpoint(let path):
            try folder.claim(note: note)
            var skipped: [CheckpointStore.Skipped] = []
            let reader = try CheckpointStore.open(path) { skipped.append($0) }
            try folder.requireSequel(to: reader, skipping: skipped.map(\.path))
            // Another run's damaged ones are left as they are.
            let own = try folder.store.committed().map(\.path)
            return (reader.path, skipped.filter { one in own.contains { Files.isSame($0, one.path) } })
        }
    }

    /// Opens the checkpoint that rank 0 chose; nil for an empty path. What vouches for it must be the same everywhere.
    private static func open(_ chosen: String, _ world: Communicator) throws -> CheckpointReader? {
        let path = try world.broadcast(chosen, root: 0)
        guard !path.isEmpty else { return nil }
        let reader = try world.agree { try CheckpointReader.open(path) }
        try RunAgreement.requireSame(reader.seal, "checkpoint at \(path)", world)
        return reader
    }

    // MARK: - Against the checkpoint

    /// The job with which a run goes on from a checkpoint.
    static func resume(
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
            changes: try JobChange.list(metadata.changes), allowingChanges: options.allowingChanges,
            explicit: options.overriddenKeys)
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
                let core = recorded.split(separator: " ").last.map(String.init) ?? ""
                remedies.append(
                    "its kernels, where this processor runs them (OPENBLAS_CORETYPE=\(core) in the environment)")
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
