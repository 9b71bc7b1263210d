extension ShardedDataset {
    /// Label vectors of some samples, [samples, length], without their images.
    ///
    /// - Parameter samples: indices, in any order.
    /// - Throws: ``DatasetError`` where labels are no vectors, or one cannot be read or is not finite.
    public func labelVectors(_ samples: [Int]) throws -> [Float] {
        guard case .continuous(let length) = labels else {
            throw DatasetError(.malformed, name.base, "has no label vectors")
        }
        let rows = Set(samples).sorted()
        var vectors = [Float](repeating: 0, count: rows.count * length)
        try vectors.withUnsafeMutableBufferPointer { vectors in
            guard let base = vectors.baseAddress else { return }
            try readVectors(rows.enumerated().map { (row: $1, position: $0) }, into: base)
        }
        let positions = Dictionary(uniqueKeysWithValues: rows.enumerated().map { ($1, $0) })
        return samples.flatMap { sample in
            let start = (positions[sample] ?? 0) * length
            return vectors[start..<start + length]
        }
    }
}
