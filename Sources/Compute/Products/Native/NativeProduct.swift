/// A product of float32 by this program's own kernels.
///
/// A block of B's columns, cut along the depth where that is long, stays in the nearer caches while all rows of A pass by,
/// eight at a time; meanwhile the next block, and the next rows, are brought there. B is read packed by blocks: weights are
/// packed once (`PackedWeight`), other matrices block by block as they are used, or as they lie where that is as good.
struct NativeProduct: Sendable {
    /// Counts the versions of these kernels: up by one where a product gives other bits.
    static let version = 1

    private let shape: ProductShape
    private let blocks: ColumnBlocks
    private let readsPlainB: Bool
    private let places: RowPlaces
    /// Floats of B from one step along the depth to the next, from one column to the next, and from one vector of columns to
    /// the next.
    private let bStep, bColumn, bVector: Int
    /// Steps along the depth of a part (`DepthParts`).
    private let partDepth: Int

    /// Floats from one row of B to the next up to which it is read as it lies.
    private static let closeRows = 128

    init(_ shape: ProductShape) {
        self.shape = shape
        let lanes = ColumnBlocks.Block.lanes
        blocks = ColumnBlocks(columns: shape.columns)
        places = RowPlaces(shape.a)
        switch shape.b {
        case .rows(let stride):
            (bStep, bColumn, bVector) = (stride, 1, lanes)
            readsPlainB =
                shape.columns % lanes == 0 && (stride <= Self.closeRows || shape.rows <= 16)
        case .columns(let stride): (bStep, bColumn, bVector, readsPlainB) = (1, stride, lanes, false)
        case .packed: (bStep, bColumn, bVector, readsPlainB) = (0, 0, lanes, false)
        case .vectors(let stride): (bStep, bColumn, bVector, readsPlainB) = (lanes, 1, stride, true)
        }
        partDepth = DepthParts.size(shape)
    }

    /// Bytes for a block of B.
    var scratchBytes: Int {
        guard !shape.isPacked && !readsPlainB else { return 0 }
        return blocks.blockWidth * shape.depth * MemoryLayout<Float>.stride
    }

    /// With B as it lies.
    func run(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer?
    ) {
        for index in 0..<shape.batch {
            let a = a + index * shape.rows * shape.depth
            let b = b + index * shape.depth * shape.columns
            let c = c + index * shape.rows * shape.columns
            for (number, block) in blocks.enumerated() {
                if readsPlainB {
                    var next = NextBlock.nothing
                    if case .vectors(let stride) = shape.b, number + 1 < blocks.count {
                        next = .columns(of: blocks[number + 1], b, .float32, stride: stride, from: 0)
                    }
                    run(
                        a, block, b + block.first / ColumnBlocks.Block.lanes * bVector, step: bStep, vector: bVector,
                        next: next, into: c + block.first)
                } else {
                    guard let packed = scratch?.assumingMemoryBound(to: Float.self) else {
                        preconditionFailure("a product that packs needs memory")
                    }
                    ColumnBlocks.pack(block, b, row: bStep, column: bColumn, depth: shape.depth, into: packed)
                    run(a, block, packed, step: block.width, vector: bVector, next: .nothing, into: c + block.first)
                }
            }
        }
    }

    /// With B packed by blocks.
    func run(_ a: UnsafePointer<Float>, packed: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>) {
        for index in 0..<shape.batch {
            runOne(
                a + index * shape.rows * shape.depth, packed: packed + index * blocks.packedCount(depth: shape.depth),
                into: c + index * shape.rows * shape.columns)
        }
    }

    /// One of a batch: part by part of the depth, of which A's rows then stay near while all blocks of B pass by.
    private func runOne(
        _ a: UnsafePointer<Float>, packed: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>
    ) {
        let b = PackedBlocks(
            start: packed, blocks: blocks, depth: shape.depth, partDepth: partDepth, stepsPerWord: 1)
        for first in stride(from: 0, to: shape.depth, by: partDepth) {
            for (number, block) in blocks.enumerated() {
                run(
                    a, block, b.place(block, from: first), step: block.width, vector: bVector, from: first,
                    next: b.next(after: number, from: first), into: c + block.first)
            }
        }
    }

    /// All rows of C, of one block of its columns.
    ///
    /// - Parameter next: nothing, where the depth is cut.
    private func run(
        _ a: UnsafePointer<Float>, _ block: ColumnBlocks.Block, _ b: UnsafePointer<Float>, step: Int, vector: Int,
        next: NextBlock, into c: UnsafeMutablePointer<Float>
    ) {
        for first in stride(from: 0, to: shape.depth, by: partDepth) {
            run(
                a, block, b + first * step, step: step, vector: vector, from: first, next: next, into: c)
        }
    }

    /// The same over one part of the depth.
    ///
    /// - Parameters:
    ///   - b: its first row.
    ///   - step: floats from one row of B to the next.
    ///   - vector: floats from one vector of its columns to the next.
    ///   - first: step along the depth at which the part begins.
    private func run(
        _ a: UnsafePointer<Float>, _ block: ColumnBlocks.Block, _ b: UnsafePointer<Float>, step: Int, vector: Int,
        from first: Int, next: NextBlock, into c: UnsafeMutablePointer<Float>
    ) {
        RowTiles(
            rows: shape.rows, places: places, cRow: shape.cStride, block: block, a: a + first * places.step, b: b,
            bStep: step, bVector: vector, depth: min(partDepth, shape.depth - first), c: c, continues: first > 0,
            adds: shape.accumulates, next: next
        ).run()
    }
}
