/// The shards of a data set, opened when they are needed and closed again when too many are open.
///
/// A data set may have more shards than a process may have files.
final class ShardFiles {
    private static let mostOpen = 256

    let paths: [String]
    private let first: Shard
    private var open: [Int: Shard] = [:]
    /// The numbers of the open ones, the one used last at the end.
    private var recent: [Int] = []

    /// - Parameter first: shard 0, which the others must be consistent with.
    init(paths: [String], first: Shard) {
        self.paths = paths
        self.first = first
    }

    /// The shard of this number.
    ///
    /// - Throws: ``DatasetError`` or `StorageError` if it cannot be opened, or is not of one data set with the first.
    func shard(_ index: Int) throws -> Shard {
        if index == 0 { return first }
        if let shard = open[index] {
            if recent.last != index {
                recent.removeAll { $0 == index }
                recent.append(index)
            }
            return shard
        }
        let shard = try Shard(paths[index])
        try shard.requireConsistent(with: first)
        if recent.count >= Self.mostOpen - 1 {
            let oldest = recent.removeFirst()
            try open.removeValue(forKey: oldest)?.file.close()
        }
        open[index] = shard
        recent.append(index)
        return shard
    }
}
