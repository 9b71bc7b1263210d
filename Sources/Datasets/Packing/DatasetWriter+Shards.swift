import Storage

extension DatasetWriter {
    /// A sample that could not be read, and why.
    struct Unreadable {
        let index: Int
        let reason: String
    }

    /// The samples of a shard.
    func range(of shard: Int) -> Range<Int> {
        source.count * shard / shards..<source.count * (shard + 1) / shards
    }

    /// Makes a shard's file and its digest.
    ///
    /// - Parameters:
    ///   - partial: where; errors go by `final`.
    ///   - progress: is told of each sample that has been taken, and may throw to end it.
    /// - Returns: what was left out, in order.
    func makeShard(
        _ shard: Int, at partial: String, as final: String, progress: () throws -> Void
    ) throws -> [Unreadable] {
        let range = range(of: shard)
        var left: [Unreadable] = []
        while true {
            var found: [Unreadable] = []
            let known = Set(left.map(\.index))
            let kept = range.filter { !known.contains($0) }
            guard !kept.isEmpty else {
                throw DatasetError(
                    .malformed, final,
                    "not one of its \(range.count) samples can be read, the first because \(left[0].reason); give fewer "
                        + "--shards, or mend the source")
            }
            try make(partial, as: final) { file in
                switch source.type {
                case .uint8: found = try write(kept, to: file, .uint8, appendBytes, progress)
                case .float32: found = try write(kept, to: file, .float32, appendFloats, progress)
                }
            }
            if found.isEmpty { return left }
            // A file has as many samples as it was made for: it is begun anew, without those.
            left = (left + found).sorted { $0.index < $1.index }
            try AtomicFile.removeTree(partial)
            try AtomicFile.removeTree(HDF5Digest.path(for: partial))
        }
    }

    /// Writes samples, or finds out which of them cannot be read.
    private func write<Element: HDF5Scalar>(
        _ kept: [Int], to file: HDF5File, _ type: HDF5Type,
        _ append: (PackedSample, Int, inout [Element]) throws -> Void, _ progress: () throws -> Void
    ) throws -> [Unreadable] {
        let row = [source.channels, source.side, source.side]
        let rowCount = row.reduce(1, *)
        let rows = max(Self.chunkBytes / (rowCount * MemoryLayout<Element>.stride), 1)
        let images = try file.createDataset(
            "/images", type, shape: [kept.count] + row,
            layout: .chunked(
                [rows] + row, deflate: options.deflate, shuffle: options.deflate != nil && type != .uint8))
        var unreadable: [Unreadable] = []
        var values: [Element] = []
        var labels = LabelColumns()
        var digests: [UInt32] = []
        var start = 0
        for (position, index) in kept.enumerated() {
            guard let sample = try read(index, &unreadable) else { continue }
            try progress()
            // What has been written already is of no use any more: the rest is only looked through.
            if !unreadable.isEmpty { continue }
            try append(sample, index, &values)
            values.withUnsafeBufferPointer {
                digests.append(SampleDigests.digest(.init(rebasing: $0.suffix(rowCount))))
            }
            try appendLabel(sample.label, index, &labels)
            let done = position + 1
            // A whole chunk at a time, which HDF5 then writes once.
            guard done - start == rows || done == kept.count else { continue }
            try values.withUnsafeBufferPointer {
                try images.write($0, start: [start, 0, 0, 0], count: [done - start] + row)
            }
            values.removeAll(keepingCapacity: true)
            start = done
        }
        if unreadable.isEmpty { try write(labels, digests, to: file) }
        return unreadable
    }

    /// A sample; nil for one that cannot be read, where such are left out.
    private func read(_ index: Int, _ unreadable: inout [Unreadable]) throws -> PackedSample? {
        do {
            return try source.sample(at: index)
        } catch let error as StorageError where options.unreadable == .skip {
            unreadable.append(Unreadable(index: index, reason: error.description))
            return nil
        } catch let error as StorageError {
            throw StorageError(
                error.kind, error.path, "\(error.message); or leave out what cannot be read, with --unreadable skip")
        }
    }
}

/// The labels of a shard: those of one kind.
private struct LabelColumns {
    var classes: [Int32] = []
    var vectors: [Float] = []
}

extension DatasetWriter {
    private func write(_ labels: LabelColumns, _ digests: [UInt32], to file: HDF5File) throws {
        switch source.labels {
        case .none: break
        case .classes:
            let layout = DatasetLayout.chunked([Self.chunkBytes / 4], deflate: options.deflate)
            try file.createDataset("/labels", .int32, shape: [digests.count], layout: layout).write(labels.classes)
        case .continuous(let length):
            let rows = max(Self.chunkBytes / 4 / length, 1)
            let layout = DatasetLayout.chunked([rows, length], deflate: options.deflate)
            try file.createDataset("/labels", .float32, shape: [digests.count, length], layout: layout)
                .write(labels.vectors)
        }
        let layout = DatasetLayout.chunked([Self.chunkBytes / 4])
        try file.createDataset("/digests", .uint32, shape: [digests.count], layout: layout).write(digests)
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

    private func appendLabel(_ label: PackedSample.Label, _ index: Int, _ labels: inout LabelColumns) throws {
        switch (label, source.labels) {
        case (.none, .none): break
        case (.class(let value), .classes):
            guard value >= 0 else {
                throw DatasetError(.malformed, name.base, "sample \(index) has label \(value); classes count from 0")
            }
            labels.classes.append(value)
        case (.vector(let values), .continuous(let length)) where values.count == length:
            try requireFinite(values, index)
            labels.vectors += values
        default: preconditionFailure("sample \(index): label \(label) where labels are \(source.labels)")
        }
    }

    private func requireFinite(_ values: [Float], _ index: Int) throws {
        guard let bad = values.first(where: { !$0.isFinite }) else { return }
        throw DatasetError(.malformed, name.base, "sample \(index) holds \(bad), which is not a finite number")
    }
}
