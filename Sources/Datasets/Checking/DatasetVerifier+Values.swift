import Storage

extension DatasetVerifier {
    /// Reads all values of a shard, and reports what is wrong with them.
    mutating func readEverything(of shard: Shard) {
        let digests = readDigests(of: shard)
        var seen = self.seen
        let damagedImages =
            if shard.images.type == .uint8 {
                readRows(of: shard.images, in: shard.path, UInt8.self) { row, values in
                    seen.take(values)
                    return Self.complaint(values, row, digests)
                }
            } else {
                readRows(of: shard.images, in: shard.path, Float.self) { row, values in
                    if let reason = Self.notFinite(values, shard.attributes) { return reason }
                    seen.take(values)
                    return Self.complaint(values, row, digests)
                }
            }
        self.seen = seen
        result.samplesRead += shard.count - damagedImages
        switch shard.labels {
        case .none: break
        case .continuous:
            if let values = shard.labelValues {
                _ = readRows(of: values, in: shard.path, Float.self) { Self.notFinite($1) }
            }
        case .classes:
            let names = shard.attributes.labelNames
            let most = limits?.classes
            guard let values = shard.labelValues else { return }
            _ = readRows(of: values, in: shard.path, Int.self) { _, label in
                let label = label[0]
                if label < 0 || Int32(exactly: label) == nil { return "label \(label); classes count from 0" }
                if let most, label >= most { return "label \(label), but no model has more than \(most) classes" }
                guard let names, label >= names.count else { return nil }
                return "label \(label), but labelNames has names for 0 to \(names.count - 1) only"
            }
        }
    }

    /// A shard's digests; nil if it has none, or none that can be read.
    private mutating func readDigests(of shard: Shard) -> [UInt32]? {
        var digests: [UInt32]?
        attempt(shard.path) { _, _ in digests = try shard.digests?.read() }
        return digests
    }

    private static func notFinite(
        _ values: UnsafeBufferPointer<Float>, _ attributes: DatasetAttributes? = nil
    ) -> String? {
        if let value = values.first(where: { !$0.isFinite }) { return "\(value), which is not a finite number" }
        guard let attributes else { return nil }
        let (scale, shift) = (Float(attributes.scale), Float(attributes.shift))
        return values.first { !($0 * scale + shift).isFinite }.map {
            "\($0), which is not a finite number once it is scaled"
        }
    }

    private static func complaint<Value>(
        _ values: UnsafeBufferPointer<Value>, _ row: Int, _ digests: [UInt32]?
    ) -> String? {
        guard let packed = digests?[row] else { return nil }
        let found = SampleDigests.digest(values)
        return found == packed ? nil : SampleDigests.complaint(found, packed)
    }

    /// Reads a data set, chunk by chunk, so that a damaged one does not hide the others.
    ///
    /// - Parameter complaint: what is wrong with a row, as it follows "sample 3 has"; takes its number and its values.
    /// - Returns: how many rows could not be read.
    private mutating func readRows<Value: HDF5Scalar>(
        of dataset: HDF5Dataset, in path: String, _: Value.Type,
        _ complaint: (Int, UnsafeBufferPointer<Value>) -> String?
    ) -> Int {
        let rows = dataset.shape[0]
        guard rows > 0 else { return 0 }
        let rowCount = dataset.count / rows
        let step = dataset.chunk?[0] ?? rows
        var unreadable = 0
        var complaints = 0
        var damaged = 0
        for start in stride(from: 0, to: rows, by: max(step, 1)) {
            let count = min(max(step, 1), rows - start)
            let values: [Value]
            do {
                let zero = [Int](repeating: 0, count: dataset.shape.count - 1)
                values = try dataset.read(Value.self, start: [start] + zero, count: [count] + dataset.shape[1...])
            } catch {
                unreadable += count
                damaged += 1
                if damaged <= Self.mostListed {
                    let message = (error as? StorageError)?.message ?? "\(error)"
                    report(path, "samples \(start) to \(start + count - 1): \(message)")
                }
                continue
            }
            for row in 0..<count {
                let reason = values.withUnsafeBufferPointer { values in
                    complaint(start + row, .init(rebasing: values[row * rowCount..<(row + 1) * rowCount]))
                }
                guard let reason else { continue }
                complaints += 1
                if complaints <= Self.mostListed {
                    report(path, "\(dataset.name): sample \(start + row) has \(reason)")
                }
            }
        }
        for (count, what) in [(damaged, "further damaged chunks"), (complaints, "further samples with bad values")]
        where count > Self.mostListed {
            report(path, "\(dataset.name): \(count - Self.mostListed) \(what)")
        }
        return unreadable
    }
}
