import Datasets
import Distributed
import Foundation

/// The data set on each node's own disk (`data.stage`): one of its ranks copies it, the others wait.
enum Staging {
    /// Seconds between notes of how far it is.
    private static let noteEvery = 10.0

    /// Collective.
    ///
    /// - Parameters:
    ///   - dataset: as all nodes see it.
    ///   - folder: of each node, relative to the working directory.
    /// - Returns: the data set to read instead.
    /// - Throws: `RankFailure`, on all ranks alike, when any node cannot hold a copy.
    static func stage(
        _ dataset: ShardedDataset, in folder: String, _ runtime: MPIRuntime, note: (String) -> Void
    ) throws -> ShardedDataset {
        let made = try runtime.world.agree { () -> String in
            guard runtime.nodeLocal.rank == 0 else { return "" }
            return try copy(dataset, to: URL(fileURLWithPath: folder).path, note: note)
        }
        let path = try runtime.nodeLocal.broadcast(made, root: 0)
        return try runtime.world.agree { try ShardedDataset(copyOf: dataset, at: path) }
    }

    private static func copy(_ dataset: ShardedDataset, to folder: String, note: (String) -> Void) throws -> String {
        let copy = try DatasetCopy(of: dataset, in: folder)
        let clock = ContinuousClock()
        let begin = clock.now
        var told = begin
        let isNew = try copy.make {
            note("data.stage: another process copies \(dataset.name.base) to \(folder); waiting for it")
        } progress: { done in
            guard (clock.now - told).seconds > noteEvery else { return }
            told = clock.now
            note("data.stage: \(100 * done / max(copy.bytes, 1)) % of \(dataset.name.base) copied to \(folder)")
        }
        let seconds = String(format: "%.1f", (clock.now - begin).seconds)
        note(
            isNew
                ? "data.stage: copied \(dataset.name.base), \((copy.bytes + 1 << 19) >> 20) MiB, to \(copy.path) in \(seconds) s"
                : "data.stage: reading the copy of \(dataset.name.base) that is there, \(copy.path)")
        return copy.path
    }
}
