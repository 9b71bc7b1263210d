import Storage

/// The checkpoints of a run.
public struct CheckpointStore: Sendable {
    /// A damaged checkpoint, later than the one that was found.
    public struct Skipped: Equatable, Sendable {
        public let path: String
        /// What is wrong with which of its files.
        public let reason: String
    }

    /// The folder of all checkpoints; it need not exist.
    public let folder: String

    /// Of the run in this folder.
    public init(run: String) { folder = "\(run)/\(CheckpointNames.folder)" }

    init(folder: String) { self.folder = folder }

    /// The folders that have taken their name, by step. Whether they are valid is found on opening.
    ///
    /// - Throws: `StorageError` if the folder cannot be listed: that is not to be taken for a run without checkpoints.
    public func committed() throws -> [(step: Int, path: String)] {
        guard try Files.exists(folder) else { return [] }
        return try Files.names(in: folder).compactMap { name in
            CheckpointNames.step(of: name).map { ($0, "\(folder)/\(name)") }
        }.sorted { $0.0 < $1.0 }
    }

    /// The path of a step's checkpoint, whether or not there is one.
    public func path(of step: Int) -> String { "\(folder)/\(CheckpointNames.step(step))" }

    /// Removes what writers that were stopped have left, half written or half deleted. For the run's only writer, before
    /// it begins.
    public func cleanPartials() {
        // Leftovers are in nobody's way: a folder that cannot be listed or written is no reason to stop.
        for name in (try? Files.names(in: folder)) ?? []
        where [CheckpointNames.partial, CheckpointNames.deleting].contains(where: name.hasPrefix) {
            try? AtomicFile.removeTree("\(folder)/\(name)")
        }
    }

    /// Renames damaged checkpoints to `.bad-...`, out of sight. For the run's only writer, once a valid one was found
    /// and training goes on from it.
    ///
    /// - Throws: `StorageError` if their folder cannot be written.
    public static func setAside(_ paths: [String]) throws {
        for path in paths { try setAside(path) }
    }

    static func setAside(_ path: String) throws {
        let folder = Files.folder(of: path)
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        var bad = "\(CheckpointNames.bad)\(name)"
        var number = 1
        while try Files.exists("\(folder)/\(bad)") {
            number += 1
            bad = "\(CheckpointNames.bad)\(name)-\(number)"
        }
        try AtomicFile.rename(from: path, to: "\(folder)/\(bad)")
        try AtomicFile.syncDirectory(folder)
    }
}
