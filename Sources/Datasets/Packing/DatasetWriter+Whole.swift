import Storage

extension DatasetWriter {
    /// Writes the virtual data set that shows all shards as one array to h5py and its like.
    func writeWhole(to file: HDF5File) throws {
        func pieces(_ dataset: String, _ row: [Int]) -> [VirtualPiece] {
            (0..<shards).map { shard in
                let range = range(of: shard)
                let zero = row.map { _ in 0 }
                return VirtualPiece(
                    file: Files.lastPart(of: name.shard(shard, of: shards)), dataset: dataset,
                    sourceShape: [range.count] + row, sourceStart: [0] + zero, start: [range.lowerBound] + zero,
                    count: [range.count] + row)
            }
        }
        // A missing shard reads as the fill value, with success: one that no sample has, where there is such a one.
        let row = [source.channels, source.side, source.side]
        _ = try file.createVirtualDataset(
            "/images", source.type == .uint8 ? .uint8 : .float32, shape: [source.count] + row,
            pieces: pieces("/images", row), fill: source.type == .uint8 ? 0 : .nan)
        switch source.labels {
        case .none: break
        case .classes:
            _ = try file.createVirtualDataset(
                "/labels", .int32, shape: [source.count], pieces: pieces("/labels", []), fill: -1)
        case .continuous(let length):
            _ = try file.createVirtualDataset(
                "/labels", .float32, shape: [source.count, length], pieces: pieces("/labels", [length]), fill: .nan)
        }
        _ = try file.createVirtualDataset(
            "/digests", .uint32, shape: [source.count], pieces: pieces("/digests", []), fill: 0)
    }
}
