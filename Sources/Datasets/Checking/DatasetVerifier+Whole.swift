import Storage

extension DatasetVerifier {
    /// Checks that `NAME.h5` shows every shard, in order and whole.
    mutating func checkWhole(_ path: String, _ shards: [(shard: Shard, index: Int)], of count: Int) throws {
        let file = try HDF5File.open(path)
        result.filesRead += 1
        // Against shards that are not all known nothing can be said.
        guard shards.count == count, let first = shards.first?.shard else { return }
        let attributes = try DatasetAttributes(reading: file)
        if let difference = attributes.difference(from: first.attributes) {
            report(
                path,
                "attribute \(difference.attribute) is \(difference.here), but \(difference.there) in \(first.path)")
        }
        var datasets: [(String, (Shard) -> HDF5Dataset?)] = [("/images", { $0.images })]
        if first.labels != .none { datasets.append(("/labels", { $0.labelValues })) }
        if shards.allSatisfy({ $0.shard.digests != nil }) { datasets.append(("/digests", { $0.digests })) }
        for (object, part) in datasets {
            guard file.exists(object) else {
                report(path, "\(object): there is no such data set in the file")
                continue
            }
            var start = 0
            var wanted: [VirtualPiece] = []
            for (shard, index) in shards {
                guard let values = part(shard) else { continue }
                let zero = values.shape.dropFirst().map { _ in 0 }
                wanted.append(
                    VirtualPiece(
                        file: Files.lastPart(of: name.shard(index, of: count)), dataset: object,
                        sourceShape: values.shape, sourceStart: [0] + zero, start: [start] + zero, count: values.shape))
                start += shard.count
            }
            // A shard without samples has nothing to show.
            wanted.removeAll { $0.count.contains(0) }
            let found = try file.dataset(object)
            let shape = [start] + (part(first)?.shape.dropFirst() ?? [])
            if found.shape != shape { report(path, "\(object): has shape \(found.shape), should be \(shape)") }
            let pieces = try found.virtualSources().sorted { $0.start[0] < $1.start[0] }
            if let index = wanted.indices.first(where: { !pieces.indices.contains($0) || pieces[$0] != wanted[$0] }) {
                report(path, "\(object): does not show \(wanted[index].file) as it is; pack the data anew")
            } else if pieces.count > wanted.count {
                report(path, "\(object): shows \(pieces.count) files, but there are \(wanted.count) shards")
            }
        }
    }
}
