import Storage

/// Which checkpoints of a run stay once a later one is in its place.
public struct CheckpointRetention: Equatable, Sendable {
    /// The latest ones that stay; 0: all.
    public let keepLast: Int
    /// Those stay, too, whose step is a multiple of this; 0: none for that reason.
    public let keepEvery: Int

    public init(keepLast: Int, keepEvery: Int) {
        precondition(keepLast >= 0 && keepEvery >= 0, "counts are not negative")
        (self.keepLast, self.keepEvery) = (keepLast, keepEvery)
    }

    /// Those of `steps` that need not stay, rising.
    ///
    /// - Parameter latest: the step that was just saved, which always stays, as do later ones.
    public func expendable(_ steps: [Int], latest: Int) -> [Int] {
        guard keepLast > 0 else { return [] }
        return steps.filter { $0 < latest }.sorted().dropLast(keepLast - 1).filter {
            keepEvery == 0 || $0 % keepEvery != 0
        }
    }

    /// The most checkpoints that stand at a time, of those that a run makes.
    ///
    /// - Parameters:
    ///   - steps: done before, up to those done at the end, which are saved.
    ///   - every: steps between saves; 0: only the end.
    public func count(of steps: Range<Int>, every: Int) -> Int {
        func multiples(of number: Int) -> Int { steps.upperBound / number - steps.lowerBound / number }
        let saves = every == 0 ? 1 : multiples(of: every) + (steps.upperBound % every == 0 ? 0 : 1)
        guard keepLast > 0 else { return saves }
        // Before the oldest goes there is one more than stay.
        return min(saves, min(keepLast, saves) + 1 + (keepEvery == 0 ? 0 : multiples(of: keepEvery)))
    }

    /// Deletes what need not stay: each loses its name first, so that nobody finds half a checkpoint.
    ///
    /// - Parameters:
    ///   - latest: the step that was just saved, of a checkpoint that was read again and is valid.
    ///   - after: is told of each stage.
    /// - Returns: the paths that are gone, and what stood in the way of others; leftovers of those are swept up at the
    ///   next start (``CheckpointStore/cleanPartials()``).
    package func apply(
        to store: CheckpointStore, latest: Int, after: (CheckpointWriter.Stage) throws -> Void
    ) -> (removed: [String], troubles: [String]) {
        var (removed, troubles): ([String], [String]) = ([], [])
        do {
            let committed = try store.committed()
            let expendable = Set(expendable(committed.map(\.step), latest: latest))
            for (step, path) in committed where expendable.contains(step) {
                do {
                    try Self.remove(
                        path, as: "\(store.folder)/\(CheckpointNames.deleting)\(CheckpointNames.step(step))", after)
                    removed.append(path)
                } catch {
                    troubles.append("\(error)")
                }
            }
        } catch {
            troubles.append("\(error)")
        }
        return (removed, troubles)
    }

    private static func remove(
        _ path: String, as condemned: String, _ after: (CheckpointWriter.Stage) throws -> Void
    ) throws {
        // What an earlier attempt could not remove would be in the way.
        try AtomicFile.removeTree(condemned)
        try AtomicFile.rename(from: path, to: condemned)
        try AtomicFile.syncDirectory(Files.folder(of: path))
        try after(.retention)
        try AtomicFile.removeTree(condemned)
    }
}
