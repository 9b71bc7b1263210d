/// A checkpoint gone through file by file, to the end also where something is wrong.
public struct CheckpointVerification: Codable, Sendable {
    public struct File: Codable, Equatable, Sendable {
        public let name: String
        /// What is wrong; nil if all is well.
        public let problem: String?
    }

    public let path: String
    /// Nil if `checkpoint.h5` cannot be trusted.
    public let step: Int?
    /// `COMMIT`, `checkpoint.h5` and the rank files; it ends where nothing vouches for what follows.
    public let files: [File]

    public var isValid: Bool { files.allSatisfy { $0.problem == nil } }

    /// Checks every file's digest, then every piece of every tensor.
    ///
    /// - Parameter path: a checkpoint's folder.
    /// - Throws: `StorageError` of kind `.io` if the disk fails, and ``CheckpointError``, `.tooNew`.
    public init(_ path: String) throws {
        self.path = path
        var files: [File] = []
        var index: CheckpointIndex?
        func check(_ name: String, _ body: () throws -> Void) throws {
            do {
                try body()
                files.append(File(name: name, problem: nil))
            } catch let error as CheckpointError where error.kind != .tooNew {
                files.append(File(name: name, problem: error.message))
            }
        }
        var commit: CheckpointDigest?
        try check(CheckpointNames.commit) { commit = try CheckpointCommit.read(in: path) }
        if let commit {
            try check(commit.name) {
                try commit.check(in: path)
                let read = try CheckpointIndex(readingIn: path)
                index = read
                try read.requireStep(of: path)
            }
        }
        if let index {
            let reader = CheckpointReader(path, index)
            for file in index.files {
                try check(file.name) {
                    try file.check(in: path)
                    let pieces = reader.pieces.filter { $0.source.file == file.name }
                    try reader.check(reader.digest(pieces.map { ($0, $0.source.rows) }))
                }
            }
        }
        step = index?.metadata.step
        self.files = files
    }
}
