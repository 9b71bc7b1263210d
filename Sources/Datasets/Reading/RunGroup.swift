import Storage

/// Runs of rows, each in one chunk, which are gathered and then read together: HDF5's lock, for which a thread waits
/// that writes a checkpoint meanwhile, is taken once for all of them.
final class RunGroup<Element: HDF5Scalar> {
    struct Run {
        let part: HDF5Dataset
        /// In the shard.
        let rows: Range<Int>
        /// Of whoever wants them.
        let entries: Range<Int>
        let shard: Int
    }

    /// The most bytes of a run, and of a chunk that is read as it is stored.
    private static var mostRunBytes: Int { 4 << 20 }
    /// What is read at once where there are no chunks.
    private static var pieceBytes: Int { 64 << 10 }
    /// So many bytes, or so many runs, are read at a time.
    private static var groupBytes: Int { 1 << 20 }
    private static var groupRuns: Int { 32 }

    private let rowShape: [Int]
    private let rowCount: Int
    private var runs: [Run] = []
    private var bytes = 0
    /// Room for stored chunks; grown as needed, and kept.
    private var staging = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Runs read so far.
    private(set) var count = 0

    init(rowShape: [Int]) {
        self.rowShape = rowShape
        rowCount = rowShape.reduce(1, *)
    }

    deinit { staging.deallocate() }

    private var rowBytes: Int { rowCount * MemoryLayout<Element>.stride }

    /// Whether two rows of a shard, the first one's and a later one, go into one run.
    func areReadTogether(_ first: Int, _ later: Int, _ part: HDF5Dataset) -> Bool {
        let rows = part.chunk?[0] ?? Self.pieceBytes / rowBytes
        return later / max(rows, 1) == first / max(rows, 1) && (later - first + 1) * rowBytes <= Self.mostRunBytes
    }

    func append(_ run: Run) {
        runs.append(run)
        bytes += plain(run)?.storedBytes ?? run.rows.count * rowBytes
    }

    /// Whether it is time to read them.
    var areMany: Bool { bytes >= Self.groupBytes || runs.count >= Self.groupRuns }

    /// Reads all runs, hands out their rows, in the order in which they were appended, and forgets them.
    func read(_ body: (UnsafeBufferPointer<Element>, Run) throws -> Void) throws {
        defer {
            runs.removeAll(keepingCapacity: true)
            bytes = 0
        }
        count += runs.count
        let stored = try readStored()
        for (run, found) in zip(runs, stored) {
            if let found {
                try body(UnsafeBufferPointer(found), run)
                continue
            }
            let values = try run.part.read(
                Element.self, start: [run.rows.lowerBound] + rowShape.map { _ in 0 },
                count: [run.rows.count] + rowShape)
            try values.withUnsafeBufferPointer { try body($0, run) }
        }
    }

    /// The rows of runs whose chunks are plain and sound; nil for others.
    private func readStored() throws -> [UnsafeMutableBufferPointer<Element>?] {
        let plain = runs.map(plain)
        // Each chunk begins where its values are aligned.
        let sizes = plain.map { (($0?.storedBytes ?? 0) + 15) & ~15 }
        let needed = sizes.reduce(0, +)
        if needed > staging.count {
            staging.deallocate()
            staging = .allocate(byteCount: needed, alignment: 16)
        }
        var requests: [HDF5Dataset.ChunkRequest] = []
        var offsets: [Int] = []
        var offset = 0
        for (index, run) in runs.enumerated() {
            offsets.append(offset)
            guard let form = plain[index] else { continue }
            let target = UnsafeMutableRawBufferPointer(rebasing: staging[offset..<offset + form.storedBytes])
            requests.append(
                HDF5Dataset.ChunkRequest(run.part, chunk: run.rows.lowerBound / form.rows, into: target))
            offset += sizes[index]
        }
        var sound = try HDF5Dataset.readStored(requests)[...]
        return runs.indices.map { index in
            guard let form = plain[index], sound.popFirst() == true else { return nil }
            let first = offsets[index] + runs[index].rows.lowerBound % form.rows * rowBytes
            let rows = UnsafeMutableRawBufferPointer(
                rebasing: staging[first..<first + runs[index].rows.count * rowBytes])
            return rows.bindMemory(to: Element.self)
        }
    }

    private func plain(_ run: Run) -> HDF5Dataset.PlainChunks? {
        let plain = run.part.plainChunks(of: Element.self)
        return plain.flatMap { $0.storedBytes <= Self.mostRunBytes ? $0 : nil }
    }
}
