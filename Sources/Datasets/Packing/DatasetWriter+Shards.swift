import Storage

extension DatasetWriter {
    /// The samples of a shard.
    func range(of shard: Int) -> Range<Int> {
        source.count * shard / shards..<source.count * (shard + 1) / shards
    }

    func writeShard(_ shard: Int, to file: HDF5File) throws {
        let range = range(of: shard)
        switch source.type {
        case .uint8: try writeShard(range, to: file, .uint8, appendBytes)
        case .float32: try writeShard(range, to: file, .float32, appendFloats)
        }
    }

    private func writeShard<Element: HDF5Scalar>(
        _ range: Range<Int>, to file: HDF5File, _ type: HDF5Type,
        _ append: (PackedSample, Int, inout [Element]) throws -> Void
    ) throws {
        let row = [source.channels, source.side, source.side]
        let rowCount = row.reduce(1, *)
        let rows = max(Self.chunkBytes / (rowCount * MemoryLayout<Element>.stride), 1)
        let images = try file.createDataset(
            "/images", type, shape: [range.count] + row,
            layout: .chunked([rows] + row, deflate: deflate, shuffle: deflate != nil && type != .uint8))
        var values: [Element] = []
        var classes: [Int32] = []
        var vectors: [Float] = []
        var digests: [UInt32] = []
        var start = 0
        for index in range {
            let sample = try source.sample(at: index)
            try append(sample, index, &values)
            values.withUnsafeBufferPointer {
                digests.append(SampleDigests.digest(.init(rebasing: $0.suffix(rowCount))))
            }
            try appendLabel(sample.label, index, &classes, &vectors)
            let done = index - range.lowerBound + 1
            // A whole chunk at a time, which HDF5 then writes once.
            guard done - start == rows || done == range.count else { continue }
            try values.withUnsafeBufferPointer {
                try images.write($0, start: [start, 0, 0, 0], count: [done - start] + row)
            }
            values.removeAll(keepingCapacity: true)
            start = done
        }
        switch source.labels {
        case .none: break
        case .classes:
            let layout = DatasetLayout.chunked([Self.chunkBytes / 4], deflate: deflate)
            try file.createDataset("/labels", .int32, shape: [range.count], layout: layout).write(classes)
        case .continuous(let length):
            let layout = DatasetLayout.chunked([max(Self.chunkBytes / 4 / length, 1), length], deflate: deflate)
            try file.createDataset("/labels", .float32, shape: [range.count, length], layout: layout).write(vectors)
        }
        let layout = DatasetLayout.chunked([Self.chunkBytes / 4])
        try file.createDataset("/digests", .uint32, shape: [range.count], layout: layout).write(digests)
    }

    private func appendBytes(_ sample: PackedSample, _ index: Int, _ values: inout [UInt8]) throws {
        guard case .bytes(let bytes) = sample.values else { preconditionFailure("sample \(index) is not of bytes") }
        precondition(
            bytes.count == source.channels * source.side * source.side, "sample \(index): \(bytes.count) values")
        values += bytes
    }

    private func appendFloats(_ sample: PackedSample, _ index: Int, _ values: inout [Float]) throws {
        guard case .floats(let floats) = sample.values else { preconditionFailure("sample \(index) is not of floats") }
        precondition(
            floats.count == source.channels * source.side * source.side, "sample \(index): \(floats.count) values")
        try requireFinite(floats, index)
        values += floats
    }

    private func appendLabel(
        _ label: PackedSample.Label, _ index: Int, _ classes: inout [Int32], _ vectors: inout [Float]
    ) throws {
        switch (label, source.labels) {
        case (.none, .none): break
        case (.class(let value), .classes):
            guard value >= 0 else {
                throw DatasetError(.malformed, name.base, "sample \(index) has label \(value); classes count from 0")
            }
            classes.append(value)
        case (.vector(let values), .continuous(let length)) where values.count == length:
            try requireFinite(values, index)
            vectors += values
        default: preconditionFailure("sample \(index): label \(label) where labels are \(source.labels)")
        }
    }

    private func requireFinite(_ values: [Float], _ index: Int) throws {
        guard let bad = values.first(where: { !$0.isFinite }) else { return }
        throw DatasetError(.malformed, name.base, "sample \(index) holds \(bad), which is not a finite number")
    }
}
