import Storage

/// Samples as they are stored, for those who keep them for a while: a byte takes a quarter of the memory of a float.
extension ShardedDataset {
    /// Bytes of a stored image.
    var storedImageBytes: Int {
        switch images {
        case .bytes: imageValues
        case .floats: imageValues * MemoryLayout<Float>.stride
        }
    }

    /// Reads images as they are stored, held against their digests.
    ///
    /// - Parameters:
    ///   - order: the samples, rising, and where each goes: its image stands at position times `storedImageBytes`.
    ///   - target: aligned for floats.
    func readStored(_ order: [(row: Int, position: Int)], into target: UnsafeMutableRawPointer) throws {
        func copy<Element>(_ reader: RowReader<Element>) throws {
            let target = target.assumingMemoryBound(to: Element.self)
            try naming {
                try reader.forEachRow(order) { values, position, _, _ in
                    guard let base = values.baseAddress else { return }
                    (target + position * values.count).update(from: base, count: values.count)
                }
            }
        }
        switch images {
        case .bytes(let reader): try copy(reader)
        case .floats(let reader): try copy(reader)
        }
    }

    /// The image that a stored one is read as.
    ///
    /// - Parameter index: of the sample, for messages.
    /// - Throws: ``DatasetError`` if a value is not finite.
    func convertStored(
        _ stored: UnsafeRawPointer, of index: Int, into image: UnsafeMutablePointer<Float>
    ) throws {
        func values<Element>(_: Element.Type) -> UnsafeBufferPointer<Element> {
            UnsafeBufferPointer(start: stored.assumingMemoryBound(to: Element.self), count: imageValues)
        }
        let isFinite =
            switch images {
            case .bytes: convert(values(UInt8.self), into: image) { Float($0) }
            case .floats: convert(values(Float.self), into: image) { $0 }
            }
        guard !isFinite else { return }
        let (file, row) = place(of: index)
        try naming { throw notFinite("/images", file, row) }
    }

    /// Reads label vectors, of samples in rising order.
    func readVectors(_ order: [(row: Int, position: Int)], into vectors: UnsafeMutablePointer<Float>) throws {
        guard let reader = self.vectors else { preconditionFailure("\(name.base) has no label vectors") }
        try naming {
            try reader.forEachRow(order) { values, position, shard, row in
                let target = vectors + position * values.count
                var largest: UInt32 = 0
                for index in values.indices {
                    target[index] = values[index]
                    largest = max(largest, values[index].magnitude.bitPattern)
                }
                if largest >= Float.infinity.bitPattern { throw notFinite("/labels", shardPaths[shard], row) }
            }
        }
    }
}
