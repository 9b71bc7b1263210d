import Storage

extension DatasetWriter {
    /// Writes the virtual data set that shows all shards as one array to h5py and its like.
    ///
    /// - Parameter counts: the samples of each shard.
    func writeWhole(to file: HDF5File, _ counts: [Int]) throws {
        let total = counts.reduce(0, +)
        func pieces(_ dataset: String, _ row: [Int]) -> [VirtualPiece] {
            var start = 0
            return counts.enumerated().map { shard, count in
                let zero = row.map { _ in 0 }
                defer { start += count }
                return VirtualPiece(
                    file: Files.lastPart(of: name.shard(shard, of: shards)), dataset: dataset,
                    sourceShape: [count] + row, sourceStart: [0] + zero, start: [start] + zero, count: [count] + row)
            }
        }
        // A missing shard reads as the fill value, with success: one that no sample has, where there is such a one.
        let row = [source.channels, source.side, source.side]
        _ = try file.createVirtualDataset(
            "/images", source.type == .uint8 ? .uint8 : .float32, shape: [total] + row,
            pieces: pieces("/images", row), fill: source.type == .uint8 ? 0 : .nan)
        switch source.labels {
        case .none: break
        case .classes:
            _ = try file.createVirtualDataset(
                "/labels", .int32, shape: [total], pieces: pieces("/labels", []), fill: -1)
        case .continuous(let length):
            _ = try file.createVirtualDataset(
                "/labels", .float32, shape: [total, length], pieces: pieces("/labels", [length]), fill: .nan)
        }
        _ = try file.createVirtualDataset(
            "/digests", .uint32, shape: [total], pieces: pieces("/digests", []), fill: 0)
    }
}
