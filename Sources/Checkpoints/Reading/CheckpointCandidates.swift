import Foundation
import Storage

/// Checkpoints of which the latest valid one is wanted: what one process has found, and others may try with it.
public struct CheckpointCandidates: Codable, Sendable {
    /// Their folders, latest first.
    private let paths: [String]
    /// Where they lie.
    private let folder: String
    /// Whether a person named just this one: what is wrong with it is an error then, and nothing is skipped.
    private let isNamed: Bool
    /// The names of those that were set aside, being damaged.
    private let rejected: [String]
    /// What can be done where all are damaged, besides restoring one.
    private let remedy: String
}

extension CheckpointCandidates {
    /// All of a run.
    ///
    /// - Throws: `StorageError` if their folder cannot be listed: that is not to be taken for a run without checkpoints.
    public init(_ store: CheckpointStore) throws {
        try self.init(store, remedy: ", or move the folder away to begin anew")
    }

    /// Those that a path stands for: the folder of a checkpoint, of a run, or the `checkpoints` folder in it.
    ///
    /// - Throws: ``CheckpointError``, `.missing` if there is no such folder, or none in it.
    public init(under path: String) throws {
        guard try !CheckpointStore.isCheckpoint(path) else {
            self.init(paths: [path], folder: path, isNamed: true, rejected: [], remedy: "")
            return
        }
        try self.init(CheckpointStore.store(at: path), remedy: "")
        if isEmpty { throw CheckpointStore.nothing(at: path) }
    }

    private init(_ store: CheckpointStore, remedy: String) throws {
        let names = try Files.exists(store.folder) ? Files.names(in: store.folder) : []
        self.init(
            paths: try store.committed().reversed().map(\.path), folder: store.folder, isNamed: false,
            rejected: names.filter { $0.hasPrefix(CheckpointNames.bad) }, remedy: remedy)
    }

    /// Whether there is none at all, damaged or not.
    public var isEmpty: Bool { paths.isEmpty && rejected.isEmpty }

    /// Opens the latest one that is valid. Nothing is renamed: that is for ``CheckpointStore/setAside(_:)``.
    ///
    /// - Parameters:
    ///   - skipped: is told of each later one, which is damaged.
    ///   - open: as ``CheckpointReader/open(_:)``.
    /// - Precondition: there are some, perhaps set aside earlier.
    /// - Throws: ``CheckpointError``: `.damaged` if none is valid: hours of work are not silently begun again; `.tooNew`
    ///   for one of a later version: it may be valid then, and going on from an earlier one would lose work; `.gone` if one
    ///   was deleted meanwhile, so that they are to be looked for anew (``lookedForAnew(_:)``). `StorageError` if a disk
    ///   fails.
    public func latestValid(
        skipped: (CheckpointStore.Skipped) -> Void, open: (String) throws -> CheckpointReader = CheckpointReader.open
    ) throws -> CheckpointReader {
        precondition(!isEmpty, "\(folder): no checkpoint to open")
        var damaged: [CheckpointStore.Skipped] = []
        for path in paths {
            do {
                let found = try open(path)
                damaged.forEach(skipped)
                return found
            } catch let error as CheckpointError where error.isDamage && !isNamed {
                // It was there a moment ago.
                if error.kind == .missing, error.path == path { throw CheckpointError.gone(path) }
                damaged.append(CheckpointStore.Skipped(path: path, reason: error.description))
            }
        }
        damaged.forEach(skipped)
        let latest = damaged.first?.reason
        let count = paths.count + rejected.count
        let reason = latest ?? rejected.last.map { "\($0), which was set aside because it is damaged" } ?? ""
        throw CheckpointError(
            .damaged, folder,
            "holds \(count) checkpoint\(count == 1 ? "" : "s") and none is valid; the latest: \(reason); restore one "
                + "from a copy\(remedy)")
    }
}

extension CheckpointCandidates {
    /// Looks for checkpoints and opens one, again if that one was deleted meanwhile: a run that is training saves others
    /// in its place.
    public static func lookedForAnew<Found>(_ body: () throws -> Found) throws -> Found {
        for _ in 1..<10 {
            do { return try body() } catch let error as CheckpointError where error.kind == .gone {}
        }
        return try body()
    }
}

/// As one rank tells the others.
extension CheckpointCandidates {
    public func text() throws -> String { String(decoding: try JSONEncoder().encode(self), as: UTF8.self) }

    /// - Parameter text: another's ``text()``.
    public init(text: String) throws {
        self = try JSONDecoder().decode(CheckpointCandidates.self, from: Foundation.Data(text.utf8))
    }
}

extension CheckpointReader {
    /// What others need that read the same checkpoint.
    private struct Head: Codable {
        let path: String
        let seal: String
        let index: CheckpointIndex
    }

    /// What others need that read the same checkpoint, so that one alone looks for it and parses its index.
    public func text() throws -> String {
        let head = Head(path: path, seal: seal, index: index)
        return String(decoding: try JSONEncoder().encode(head), as: UTF8.self)
    }

    /// - Parameter text: another's ``text()``.
    public init(text: String) throws {
        let head = try JSONDecoder().decode(Head.self, from: Foundation.Data(text.utf8))
        self.init(head.path, head.index, seal: head.seal)
    }

    /// What `COMMIT` says as this process sees it: ``seal``, unless that lies on another file system than where it was
    /// read. Nil if there is none that can be read.
    public func sealHere() throws -> String? {
        do {
            return try CheckpointCommit.read(in: path).description
        } catch let error as CheckpointError where error.isDamage {
            return nil
        }
    }
}
