import Storage

/// The checkpoints of a run.
public struct CheckpointStore: Sendable {
    /// The folder of all checkpoints; it need not exist.
    public let folder: String

    /// Of the run in this folder.
    public init(run: String) { folder = "\(run)/\(CheckpointNames.folder)" }

    init(folder: String) { self.folder = folder }

    /// The folders that have taken their name, by step. Whether they are good is found on opening.
    ///
    /// - Throws: `StorageError` if the folder cannot be listed: that is not to be taken for a run without checkpoints.
    public func committed() throws -> [(step: Int, path: String)] {
        guard try Files.exists(folder) else { return [] }
        return try Files.names(in: folder).compactMap { name in
            CheckpointNames.step(of: name).map { ($0, "\(folder)/\(name)") }
        }.sorted { $0.0 < $1.0 }
    }

    /// Opens the newest checkpoint that verifies.
    ///
    /// Damaged ones are renamed to `.bad-...` where the folder may be written, so that their step can be saved anew.
    ///
    /// - Parameter skipped: is told the path and the trouble of each damaged one.
    /// - Returns: nil if there is no good one.
    /// - Throws: `StorageError` if a disk fails, ``CheckpointError`` for one of a later version: the newest
    ///   checkpoint may be good then, and going on from an older one would lose work.
    public func latestValid(report skipped: (_ path: String, _ reason: String) -> Void) throws -> CheckpointReader? {
        try newest { path, reason in
            let place = try? Self.setAside(path)
            skipped(path, place.map { "\(reason) (renamed to \($0))" } ?? reason)
        }
    }

    /// The same, but nothing is renamed.
    func newest(skipped: (_ path: String, _ reason: String) -> Void) throws -> CheckpointReader? {
        for (step, path) in try committed().reversed() {
            do {
                let reader = try CheckpointReader.open(path)
                guard reader.metadata.step == step else {
                    throw CheckpointError(
                        .damaged, path, "holds step \(reader.metadata.step), not the one it is named after")
                }
                return reader
            } catch let error as CheckpointError where error.kind == .damaged || error.kind == .missing {
                skipped(path, error.description)
            }
        }
        return nil
    }

    /// Removes what writers that were stopped have left. For the run's only writer, before it begins.
    public func cleanPartials() {
        // Leftovers are in nobody's way: a folder that cannot be listed or written is no reason to stop.
        for name in (try? Files.names(in: folder)) ?? [] where name.hasPrefix(CheckpointNames.partial) {
            try? AtomicFile.removeTree("\(folder)/\(name)")
        }
    }

    /// Takes a damaged checkpoint out of sight.
    ///
    /// - Returns: its new name.
    static func setAside(_ path: String) throws -> String {
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
        return bad
    }
}
