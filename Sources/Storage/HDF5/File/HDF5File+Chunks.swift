import CHDF5

extension HDF5File {
    /// Where in the file the chunks lie that carry checksums, of all data sets of the root group: rising, neighbours
    /// joined. What was written is flushed first, and may not be written again.
    public func checkedChunks() throws -> [Range<Int>] {
        try flush()
        var found: [Range<Int>] = []
        for name in try names(in: "/") where try kind(of: "/\(name)") == .dataset {
            let dataset = try dataset("/\(name)")
            if dataset.hasChecksums { found += try dataset.chunkRanges() }
        }
        return found.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { joined, range in
            if let last = joined.last, last.upperBound == range.lowerBound {
                joined[joined.count - 1] = last.lowerBound..<range.upperBound
            } else {
                joined.append(range)
            }
        }
    }
}

extension HDF5Dataset {
    /// Where in the file each chunk lies that has been written.
    fileprivate func chunkRanges() throws -> [Range<Int>] {
        guard let chunk, !shape.contains(0) else { return [] }
        var ranges: [Range<Int>] = []
        try withHandle { handle in
            // By its coordinates: HDF5 1.10 counts through all chunks to find one by its number.
            var start = shape.map { _ in hsize_t(0) }
            while true {
                var (filters, address, length) = (UInt32(0), haddr_t(0), hsize_t(0))
                try HDF5Library.call("find a chunk", file.path, name) {
                    H5Dget_chunk_info_by_coord(handle, start, &filters, &address, &length)
                }
                // The highest address stands for none.
                if address != .max, length > 0 {
                    let place = try HDF5Library.integers([hsize_t(address), length], file.path, name)
                    ranges.append(place[0]..<place[0] + place[1])
                }
                guard let axis = shape.indices.last(where: { Int(start[$0]) + chunk[$0] < shape[$0] }) else { return }
                start[axis] += hsize_t(chunk[axis])
                for later in shape.indices where later > axis { start[later] = 0 }
            }
        }
        return ranges
    }
}
