import Storage

extension CheckpointStore {
    /// The checkpoint that a person means by a path: the folder of a checkpoint itself, or the newest good one of a
    /// run's folder or of its `checkpoints` folder. Nothing is renamed.
    ///
    /// - Parameter skipped: is told the path and the trouble of each newer one that is damaged.
    /// - Throws: ``CheckpointError``, `.missing` if there is none, `.damaged` if all are.
    public static func resolve(
        _ path: String, skipped: (_ path: String, _ reason: String) -> Void = { _, _ in }
    ) throws -> String {
        if try isCheckpoint(path) { return path }
        return try newest(under: path, skipped: skipped).path
    }

    /// Opens the checkpoint that ``resolve(_:skipped:)`` finds, which is read only once then.
    public static func open(
        _ path: String, skipped: (_ path: String, _ reason: String) -> Void = { _, _ in }
    ) throws -> CheckpointReader {
        if try isCheckpoint(path) { return try CheckpointReader.open(path) }
        return try newest(under: path, skipped: skipped)
    }

    /// All checkpoints that a path stands for, good or not.
    ///
    /// - Throws: ``CheckpointError``, `.missing` if there is none.
    public static func all(under path: String) throws -> [String] {
        if try isCheckpoint(path) { return [path] }
        let found = try store(at: path).committed().map(\.path)
        if found.isEmpty { throw nothing(at: path) }
        return found
    }

    private static func newest(
        under path: String, skipped: (_ path: String, _ reason: String) -> Void
    ) throws -> CheckpointReader {
        var trouble: [String] = []
        let reader = try store(at: path).newest { path, reason in
            skipped(path, reason)
            trouble.append(reason)
        }
        if let reader { return reader }
        guard let newest = trouble.first else { throw nothing(at: path) }
        throw CheckpointError(
            .damaged, path,
            trouble.count == 1
                ? "its only checkpoint is damaged: \(newest)"
                : "all \(trouble.count) checkpoints are damaged; the newest: \(newest)")
    }

    private static func isCheckpoint(_ path: String) throws -> Bool {
        // Damaged ones may lack any of these.
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        return try Files.isDirectory(path)
            && (Files.exists("\(path)/\(CheckpointNames.commit)") || Files.exists("\(path)/\(CheckpointNames.index)")
                || CheckpointNames.step(of: name) != nil)
    }

    private static func store(at path: String) throws -> CheckpointStore {
        guard try Files.isDirectory(path) else {
            throw CheckpointError(
                .missing, path,
                try Files.exists(path)
                    ? "is a file; give the folder of a checkpoint or of a run"
                    : "there is no such folder; give that of a checkpoint or of a run")
        }
        let ofRun = CheckpointStore(run: path)
        return try Files.isDirectory(ofRun.folder) ? ofRun : CheckpointStore(folder: path)
    }

    private static func nothing(at path: String) -> CheckpointError {
        CheckpointError(
            .missing, path,
            "holds no checkpoint; give a folder step-..., or a run's folder with checkpoints/step-... in it")
    }
}
