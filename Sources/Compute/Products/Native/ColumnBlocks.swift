import CPlatform

/// Columns of a product's B in blocks as wide as a register tile: three vectors, and fewer at the end.
///
/// In packed form a block is [depth, width], one block behind the other; what is missing of its last vector is zero.
struct ColumnBlocks: RandomAccessCollection, Sendable {
    struct Block: Sendable {
        let first: Int
        /// Columns that there are.
        let count: Int
        let vectors: Int
        /// Columns as stored.
        var width: Int { vectors * Self.lanes }
        /// Columns of the last vector.
        var lastLanes: Int { count - (vectors - 1) * Self.lanes }

        static var lanes: Int { Vector.scalarCount }
    }

    /// Vectors of a register tile at most.
    static let widest = 3
    private let columns: Int
    /// Of all blocks.
    private let vectors: Int
    let startIndex = 0
    let endIndex: Int

    init(columns: Int) {
        self.columns = columns
        vectors = (columns + Block.lanes - 1) / Block.lanes
        endIndex = (vectors + Self.widest - 1) / Self.widest
    }

    subscript(index: Int) -> Block {
        // Two of two rather than three and one, which alone would leave a multiplier idle.
        let endsInPairs = vectors > 1 && vectors % Self.widest == 1
        let pairs = endsInPairs ? Swift.max(0, index - (endIndex - 2)) : 0
        let before = Self.widest * index - pairs
        let taken = endsInPairs && index >= endIndex - 2 ? 2 : Swift.min(Self.widest, vectors - before)
        let first = before * Block.lanes
        return Block(first: first, count: Swift.min(taken * Block.lanes, columns - first), vectors: taken)
    }

    /// Columns of all blocks as stored. All blocks but the last are whole: those before a block are as wide as stored columns
    /// as they have columns.
    var width: Int { vectors * Block.lanes }

    /// Columns of the widest block as stored.
    var blockWidth: Int { first?.width ?? 0 }

    /// Floats of all blocks in packed form.
    func packedCount(depth: Int) -> Int { width * depth }

    /// Packs all blocks, one behind the other.
    func pack(
        _ source: UnsafePointer<Float>, row: Int, column: Int, depth: Int, into target: UnsafeMutablePointer<Float>
    ) {
        var target = target
        for block in self {
            Self.pack(block, source, row: row, column: column, depth: depth, into: target)
            target += block.width * depth
        }
    }

    /// Words of all blocks in packed pairs.
    func pairCount(depth: Int) -> Int { packedCount(depth: (depth + 1) / 2) }

    /// Packs all blocks as bfloat16, [pairs of rows, width] one behind the other: a word has the values of two rows, the
    /// first one's in its lower half.
    func packPairs(
        _ source: UnsafePointer<Float>, row: Int, column: Int, depth: Int, into target: UnsafeMutablePointer<UInt32>
    ) {
        let slice = 32
        withUnsafeTemporaryAllocation(of: Float.self, capacity: slice * Self.widest * Block.lanes) { memory in
            guard let rows = memory.baseAddress else { return }
            var target = target
            for block in self {
                for first in stride(from: 0, to: depth, by: slice) {
                    let count = Swift.min(slice, depth - first)
                    Self.pack(block, source + first * row, row: row, column: column, depth: count, into: rows)
                    if count % 2 == 1 { (rows + count * block.width).update(repeating: 0, count: block.width) }
                    for pair in 0..<(count + 1) / 2 {
                        let even = rows + 2 * pair * block.width
                        for lane in stride(from: 0, to: block.width, by: Block.lanes) {
                            fpdm_pair_bfloat16(even + lane, even + block.width + lane, target + lane)
                        }
                        target += block.width
                    }
                }
            }
        }
    }

    /// Packs rows of one block.
    ///
    /// - Parameters:
    ///   - source: B's first row; element (k, n) stands at k * row + n * column.
    ///   - target: [depth, width]
    static func pack(
        _ block: Block, _ source: UnsafePointer<Float>, row: Int, column: Int, depth: Int,
        into target: UnsafeMutablePointer<Float>
    ) {
        let from = source + block.first * column
        for vector in 0..<block.vectors {
            let lanes = Swift.min(Block.lanes, block.count - vector * Block.lanes)
            let (part, to) = (from + vector * Block.lanes * column, target + vector * Block.lanes)
            if column == 1 {
                for k in 0..<depth { store(load(part + k * row, lanes), to + k * block.width, Block.lanes) }
            } else {
                transpose(part, stride: column, step: row, rows: lanes, depth: depth, into: to, width: block.width)
            }
        }
    }

    /// Columns [depth] that lie one behind the other become a vector of each row.
    private static func transpose(
        _ source: UnsafePointer<Float>, stride: Int, step: Int, rows: Int, depth: Int,
        into target: UnsafeMutablePointer<Float>, width: Int
    ) {
        let whole = rows == Block.lanes && step == 1 ? depth / Block.lanes * Block.lanes : 0
        for k in Swift.stride(from: 0, to: whole, by: Block.lanes) {
            fpdm_transpose16(source + k, Int64(stride), target + k * width, Int64(width))
        }
        for k in whole..<depth {
            for lane in 0..<Block.lanes {
                target[k * width + lane] = lane < rows ? source[lane * stride + k * step] : 0
            }
        }
    }
}
