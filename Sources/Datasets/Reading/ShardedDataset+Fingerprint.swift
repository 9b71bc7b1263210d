import Storage

extension ShardedDataset {
    /// What tells this data set from others, whatever its number of shards and their chunks.
    ///
    /// Shards that hold digests are not read for it; of others all images are, one after the other, once for as long as
    /// the data set is open.
    ///
    /// - Throws: `StorageError` or ``DatasetError`` if stored bytes are damaged, naming the file.
    public func fingerprint() throws -> DatasetFingerprint {
        if let knownFingerprint { return knownFingerprint }
        let fingerprint = DatasetFingerprint(
            count: count, imageShape: [channels, side, side], type: type == .uint8 ? .uint8 : .float32,
            attributes: attributes.fingerprint(labels), labels: try labelsFingerprint(),
            pixels: try pixelsFingerprint())
        knownFingerprint = fingerprint
        return fingerprint
    }

    private func labelsFingerprint() throws -> UInt32 {
        var crc = CRC32C()
        classLabels.withUnsafeBytes { crc.update($0) }
        if case .continuous = labels {
            for shard in shardPaths.indices {
                try files.shard(shard).labelValues?.forEachRun(Float.self) { crc.update(UnsafeRawBufferPointer($0)) }
            }
        }
        return crc.value
    }

    private func pixelsFingerprint() throws -> UInt32 {
        var crc = CRC32C()
        for shard in shardPaths.indices {
            let digests =
                if let packed = try digests.digests(ofShard: shard) {
                    packed
                } else if type == .uint8 {
                    try digests(of: files.shard(shard), UInt8.self)
                } else {
                    try digests(of: files.shard(shard), Float.self)
                }
            digests.withUnsafeBytes { crc.update($0) }
        }
        return crc.value
    }

    /// The digests that a shard would hold.
    private func digests<Element: HDF5Scalar>(of shard: Shard, _: Element.Type) throws -> [UInt32] {
        var digests: [UInt32] = []
        digests.reserveCapacity(shard.count)
        try shard.images.forEachRun(Element.self) { values in
            for start in stride(from: 0, to: values.count, by: imageValues) {
                let row = UnsafeBufferPointer(rebasing: values[start..<start + imageValues])
                digests.append(SampleDigests.digest(row))
            }
        }
        return digests
    }
}
