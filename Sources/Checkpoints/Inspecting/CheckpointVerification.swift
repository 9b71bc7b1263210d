import Storage

/// A checkpoint gone through file by file, to the end also where something is wrong.
public struct CheckpointVerification: Codable, Sendable {
    public struct File: Codable, Equatable, Sendable {
        public let name: String
        /// What is wrong; nil if all is well.
        public let problem: String?
        /// The tensors that have lost values by it, such as `model/x_embedder.proj.bias`.
        public let tensors: [String]
    }

    public let path: String
    /// Nil if `checkpoint.h5` cannot be trusted.
    public let step: Int?
    /// `COMMIT`, `checkpoint.h5` and the rank files; it ends where nothing vouches for what follows.
    public let files: [File]

    /// Whether it was deleted while it was read, as a run does that keeps few: then nothing is said of it.
    public var isGone: Bool { !isValid && (try? Files.exists(path)) == false }

    public var isValid: Bool { files.allSatisfy { $0.problem == nil } }

    /// Checks every file's digest, then every piece of every tensor.
    ///
    /// - Parameter path: a checkpoint's folder. What cannot be read in it is told of as what is damaged.
    /// - Throws: ``CheckpointError``, `.tooNew`.
    public init(_ path: String) throws {
        self.path = path
        var files: [File] = []
        var index: CheckpointIndex?
        func check(_ name: String, _ body: () throws -> Void) throws {
            files.append(File(name: name, problem: try Self.problem(body), tensors: []))
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
        if let index { files += try index.files.map { try Self.file($0, of: index, in: path) } }
        step = index?.metadata.step
        self.files = files
    }

    private static func file(_ digest: CheckpointDigest, of index: CheckpointIndex, in folder: String) throws -> File {
        if let problem = try problem({ try digest.check(in: folder) }) {
            // Where the file cannot be read at all, it cannot be told which.
            let tensors = try? CheckpointDamage.tensors(in: digest.name, of: index, folder: folder)
            return File(name: digest.name, problem: problem, tensors: tensors ?? [])
        }
        // What the digest vouches for may still be another tensor's, or not what the index says.
        let reader = CheckpointReader(folder, index)
        let damaged = try index.tensors.compactMap { tensor in
            var pieces = PieceCursor(tensor, of: reader, in: digest.name)
            return try problem { while try pieces.next() != nil {} }.map { (path: tensor.path, problem: $0) }
        }
        return File(name: digest.name, problem: damaged.first?.problem, tensors: damaged.map(\.path))
    }

    /// What is wrong; nil if all is well.
    private static func problem(_ body: () throws -> Void) throws -> String? {
        do {
            try body()
            return nil
        } catch let error as CheckpointError where error.kind != .tooNew {
            return error.message
        } catch let error as StorageError {
            return error.message
        }
    }
}
