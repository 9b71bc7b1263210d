import Foundation
import Storage

/// Reads rows of one array that lies over all shards, in any order.
///
/// Rows are asked for in rising order, neighbours in one call to HDF5, whose chunk cache then serves the rest. A
/// small array is kept in memory, in its own type, from the first read on.
final class RowReader<Element: HDF5Scalar> {
    /// The most bytes read in one call.
    private let mostRunBytes = 4 << 20

    private let files: ShardFiles
    private let dataset: (Shard) -> HDF5Dataset?
    /// The shape of a row.
    private let rowShape: [Int]
    /// The elements of a row.
    let rowCount: Int
    /// The first row of each shard, then the number of all rows.
    private let starts: [Int]
    private let check: ((_ values: UnsafeBufferPointer<Element>, _ shard: Int, _ first: Int) throws -> Void)?
    private let isHeld: Bool
    private var held: [Int: [Element]] = [:]
    private var staging: [Element] = []

    /// - Parameters:
    ///   - rowShape: the shape of a row.
    ///   - starts: the first row of each shard, then the number of all rows.
    ///   - holdingUpTo: arrays of at most this many bytes are kept in memory.
    ///   - dataset: the array's part in a shard.
    ///   - check: takes rows that come from a file, their shard, and the row of the first in it. Those that are kept are
    ///     checked once.
    init(
        files: ShardFiles, rowShape: [Int], starts: [Int], holdingUpTo limit: Int,
        dataset: @escaping (Shard) -> HDF5Dataset?,
        check: ((_ values: UnsafeBufferPointer<Element>, _ shard: Int, _ first: Int) throws -> Void)? = nil
    ) {
        self.files = files
        self.dataset = dataset
        self.check = check
        self.rowShape = rowShape
        self.starts = starts
        rowCount = rowShape.reduce(1, *)
        let (values, isHuge) = rowCount.multipliedReportingOverflow(by: starts.last ?? 0)
        isHeld = !isHuge && values <= limit / MemoryLayout<Element>.stride
    }

    /// Bytes that stay in memory once all rows have been read.
    var heldBytes: Int { isHeld ? rowCount * (starts.last ?? 0) * MemoryLayout<Element>.stride : 0 }

    /// Hands out rows.
    ///
    /// - Parameters:
    ///   - order: the rows that are wanted, rising; `position` is passed on.
    ///   - body: takes a row's values, its `position`, its shard and its row in that shard.
    func forEachRow(
        _ order: [(row: Int, position: Int)],
        _ body: (UnsafeBufferPointer<Element>, _ position: Int, _ shard: Int, _ row: Int) throws -> Void
    ) throws {
        let mostRunRows = max(mostRunBytes / max(rowCount * MemoryLayout<Element>.stride, 1), 1)
        var shard = 0
        var next = 0
        while next < order.count {
            let first = order[next].row
            while first >= starts[shard + 1] { shard += 1 }
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
            var end = next + 1
            while end < order.count, order[end].row - order[end - 1].row <= 1, order[end].row < starts[shard + 1],
                order[end].row - first < mostRunRows
            {
                end += 1
            }
            let count = order[end - 1].row - first + 1
            try readRun(shard, from: first - start, count: count) { values in
                for entry in order[next..<end] {
                    try body(slice(values, entry.row - first), entry.position, shard, entry.row - start)
                }
            }
            next = end
        }
    }

    private func slice(_ values: UnsafeBufferPointer<Element>, _ row: Int) -> UnsafeBufferPointer<Element> {
        UnsafeBufferPointer(rebasing: values[row * rowCount..<(row + 1) * rowCount])
    }

    private func rows(ofHeld shard: Int) throws -> [Element] {
        if let rows = held[shard] { return rows }
        let rows = try part(shard).read(Element.self)
        if let check { try rows.withUnsafeBufferPointer { try check($0, shard, 0) } }
        held[shard] = rows
        return rows
    }

    private func readRun(
        _ shard: Int, from row: Int, count: Int, _ body: (UnsafeBufferPointer<Element>) throws -> Void
    ) throws {
        let needed = count * rowCount
        if staging.count < needed {
            staging = [Element](unsafeUninitializedCapacity: needed) { buffer, initialized in
                // Numbers: whatever bits lie there are values, and all are read over.
                if let base = buffer.baseAddress { memset(base, 0, needed * MemoryLayout<Element>.stride) }
                initialized = needed
            }
        }
        let part = try part(shard)
        try staging.withUnsafeMutableBufferPointer { buffer in
            let target = UnsafeMutableBufferPointer(rebasing: buffer[..<needed])
            try part.read(
                into: target, start: [row] + rowShape.map { _ in 0 }, count: [count] + rowShape)
            try check?(UnsafeBufferPointer(target), shard, row)
            try body(UnsafeBufferPointer(target))
        }
    }

    private func part(_ shard: Int) throws -> HDF5Dataset {
        let opened = try files.shard(shard)
        guard let part = dataset(opened) else {
            throw DatasetError(.malformed, opened.path, "lacks the values asked for")
        }
        return part
    }
}
