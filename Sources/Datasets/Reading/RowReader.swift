import Storage

/// Reads rows of one array that lies over all shards, in any order.
///
/// Rows are asked for in rising order; those of a chunk are read with it. A small array is kept in memory, in its own
/// type, from the first read on.
final class RowReader<Element: HDF5Scalar> {
    private let files: ShardFiles
    private let dataset: (Shard) -> HDF5Dataset?
    /// The elements of a row.
    let rowCount: Int
    /// The first row of each shard, then the number of all rows.
    private let starts: [Int]
    private let check: ((_ values: UnsafeBufferPointer<Element>, _ shard: Int, _ row: Int) throws -> Void)?
    let isHeld: Bool
    private var held: [Int: [Element]] = [:]
    private let runs: RunGroup<Element>

    /// - Parameters:
    ///   - rowShape: the shape of a row.
    ///   - starts: the first row of each shard, then the number of all rows.
    ///   - holdingUpTo: arrays of at most this many bytes are kept in memory.
    ///   - dataset: the array's part in a shard.
    ///   - check: takes a row that comes from a file, its shard, and its number there. Those that are kept are checked
    ///     once.
    init(
        files: ShardFiles, rowShape: [Int], starts: [Int], holdingUpTo limit: Int,
        dataset: @escaping (Shard) -> HDF5Dataset?,
        check: ((_ values: UnsafeBufferPointer<Element>, _ shard: Int, _ row: Int) throws -> Void)? = nil
    ) {
        self.files = files
        self.dataset = dataset
        self.check = check
        self.starts = starts
        rowCount = rowShape.reduce(1, *)
        runs = RunGroup(rowShape: rowShape)
        let (values, isHuge) = rowCount.multipliedReportingOverflow(by: starts.last ?? 0)
        isHeld = !isHuge && values <= limit / MemoryLayout<Element>.stride
    }

    /// Bytes that stay in memory once all rows have been read.
    var heldBytes: Int { isHeld ? rowCount * (starts.last ?? 0) * MemoryLayout<Element>.stride : 0 }

    /// Chunks, or parts of such, read from files so far; those of arrays kept in memory do not count.
    var chunksRead: Int { runs.count }

    /// Hands out rows.
    ///
    /// - Parameters:
    ///   - order: the rows that are wanted, rising; `position` is passed on.
    ///   - body: takes a row's values, its `position`, its shard and its row in that shard.
    func forEachRow(
        _ order: [(row: Int, position: Int)],
        _ body: (UnsafeBufferPointer<Element>, _ position: Int, _ shard: Int, _ row: Int) throws -> Void
    ) throws {
        var shard = 0
        var next = 0
        while next < order.count {
            while order[next].row >= starts[shard + 1] { shard += 1 }
            let start = starts[shard]
            if isHeld {
                try rows(ofHeld: shard).withUnsafeBufferPointer { values in
                    while next < order.count, order[next].row < starts[shard + 1] {
                        let row = order[next].row - start
                        try body(slice(values, row), order[next].position, shard, row)
                        next += 1
                    }
                }
                continue
            }
            let part = try part(shard)
            var end = next + 1
            while end < order.count, order[end].row < starts[shard + 1],
                runs.areReadTogether(order[next].row - start, order[end].row - start, part)
            {
                end += 1
            }
            let rows = order[next].row - start..<order[end - 1].row - start + 1
            runs.append(RunGroup.Run(part: part, rows: rows, entries: next..<end, shard: shard))
            next = end
            guard runs.areMany || next == order.count else { continue }
            try runs.read { values, run in
                var checked = -1
                for entry in order[run.entries] {
                    let row = entry.row - starts[run.shard]
                    let own = slice(values, row - run.rows.lowerBound)
                    if row != checked { try check?(own, run.shard, row) }
                    checked = row
                    try body(own, entry.position, run.shard, row)
                }
            }
        }
    }

    private func slice(_ values: UnsafeBufferPointer<Element>, _ row: Int) -> UnsafeBufferPointer<Element> {
        UnsafeBufferPointer(rebasing: values[row * rowCount..<(row + 1) * rowCount])
    }

    private func rows(ofHeld shard: Int) throws -> [Element] {
        if let rows = held[shard] { return rows }
        let rows = try part(shard).read(Element.self)
        if let check {
            try rows.withUnsafeBufferPointer { values in
                for row in 0..<starts[shard + 1] - starts[shard] { try check(slice(values, row), shard, row) }
            }
        }
        held[shard] = rows
        return rows
    }

    private func part(_ shard: Int) throws -> HDF5Dataset {
        let opened = try files.shard(shard)
        guard let part = dataset(opened) else {
            throw DatasetError(.malformed, opened.path, "lacks the values asked for")
        }
        return part
    }
}
