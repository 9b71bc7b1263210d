import Storage

extension CheckpointStore {
    /// Opens the checkpoint that a person means by a path: that of the folder itself, or the latest valid one of a run's
    /// folder or of its `checkpoints` folder.
    ///
    /// - Parameter skipped: is told of each later one that is damaged.
    /// - Throws: as ``CheckpointReader/open(_:)``; ``CheckpointError``, `.missing` if there is none, `.damaged` if all are.
    public static func open(_ path: String, skipped: (Skipped) -> Void) throws -> CheckpointReader {
        try CheckpointCandidates.lookedForAnew {
            try CheckpointCandidates(under: path).latestValid(skipped: skipped)
        }
    }

    /// All checkpoints that a path stands for, valid or not.
    ///
    /// - Throws: ``CheckpointError``, `.missing` if there is none; `.damaged` if there are only such as were set aside.
    public static func all(under path: String) throws -> [String] {
        if try isCheckpoint(path) { return [path] }
        let found = try store(at: path).committed().map(\.path)
        // Says what is wrong.
        if found.isEmpty { _ = try CheckpointCandidates(under: path).latestValid { _ in } }
        return found
    }

    static func isCheckpoint(_ path: String) throws -> Bool {
        // Damaged ones may lack any of these.
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        return try Files.isDirectory(path)
            && (Files.exists("\(path)/\(CheckpointNames.commit)") || Files.exists("\(path)/\(CheckpointNames.index)")
                || CheckpointNames.step(of: name) != nil)
    }

    static func store(at path: String) throws -> CheckpointStore {
        guard try Files.isDirectory(path) else {
            if path.hasSuffix(".safetensors"), try Files.exists(path) { throw weightsAlone(at: path) }
            throw CheckpointError(
                .missing, path,
                try Files.exists(path)
                    ? "is a file; give the folder of a checkpoint or of a run"
                    : "there is no such folder; give that of a checkpoint or of a run")
        }
        let ofRun = CheckpointStore(run: path)
        return try Files.isDirectory(ofRun.folder) ? ofRun : CheckpointStore(folder: path)
    }

    static func nothing(at path: String) -> CheckpointError {
        if case .some = try? ModelFolder.open(path) { return weightsAlone(at: path) }
        return CheckpointError(
            .missing, path,
            "holds no checkpoint; give a folder step-..., or a run's folder with checkpoints/step-... in it")
    }

    private static func weightsAlone(at path: String) -> CheckpointError {
        CheckpointError(
            .missing, path,
            "holds weights alone and no checkpoint; make one of them, fpdm checkpoint import \(path) --output RUN, or begin a "
                + "new run from them, fpdm train JOB.yaml --start-from \(path)")
    }
}
