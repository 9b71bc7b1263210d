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

    /// Opens the latest checkpoint that verifies. Nothing is renamed: that is for ``setAside(_:)``.
    ///
    /// - Returns: it and the later ones, which are damaged, latest first; nil if there is no checkpoint at all.
    /// - Throws: ``CheckpointError``: `.damaged` if there are some, perhaps set aside earlier, and none is valid: hours
    ///   of work are not silently begun again; `.tooNew` for one of a later version: it may be valid then, and going
    ///   on from an earlier one would lose work. `StorageError` if a disk fails.
    public func latestValid() throws -> (reader: CheckpointReader, skipped: [Skipped])? {
        let (reader, skipped) = try search()
        if let reader { return (reader, skipped) }
        if let none = try noneIsValid(skipped, remedy: ", or move the folder away to begin anew") { throw none }
        return nil
    }

    /// The latest valid one, and what was skipped until then.
    func search() throws -> (reader: CheckpointReader?, skipped: [Skipped]) {
        var skipped: [Skipped] = []
        for (step, path) in try committed().reversed() {
            do {
                let reader = try CheckpointReader.open(path)
                guard reader.metadata.step == step else {
                    throw CheckpointError(
                        .damaged, path, "holds step \(reader.metadata.step), not the one it is named after")
                }
                return (reader, skipped)
            } catch let error as CheckpointError where error.kind == .damaged || error.kind == .missing {
                skipped.append(Skipped(path: path, reason: error.description))
            }
        }
        return (nil, skipped)
    }

    /// What to say where all are damaged; nil if there are none.
    ///
    /// - Parameter remedy: what can be done besides restoring one.
    func noneIsValid(_ skipped: [Skipped], remedy: String = "") throws -> CheckpointError? {
        let rejected =
            try Files.exists(folder) ? Files.names(in: folder).filter { $0.hasPrefix(CheckpointNames.bad) } : []
        let count = skipped.count + rejected.count
        guard count > 0 else { return nil }
        let latest =
            skipped.first?.reason ?? rejected.last.map { "\($0), which was set aside because it is damaged" } ?? ""
        return CheckpointError(
            .damaged, folder,
            "holds \(count) checkpoint\(count == 1 ? "" : "s") and none is valid; the latest: \(latest); restore one "
                + "from a copy\(remedy)")
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
