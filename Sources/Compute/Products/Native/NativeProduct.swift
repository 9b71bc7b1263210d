/// A product of float32 by this program's own kernels.
///
/// A block of B's columns stays in the nearer caches while all rows of A pass by, eight at a time; meanwhile the next block,
/// and the next rows, are brought there. B is read packed by blocks: weights are packed once (`PackedWeight`), other
/// matrices block by block as they are used, or as they lie where that is as good.
struct NativeProduct: Sendable {
    /// Counts the versions of these kernels: up by one where a product gives other bits.
    static let version = 1

    private let shape: ProductShape
    private let blocks: [ColumnBlocks.Block]
    private let readsPlainB: Bool
    private let a: RowPlaces
    /// Floats of B from one step along the depth to the next, from one column to the next, and from one vector of columns to
    /// the next.
    private let bStep, bColumn, bVector: Int
    /// Steps along the depth that one tile takes at most: a block of B of so many stays near.
    private let depthBlock: Int

    private static let deepest = 512
    /// Floats from one row of B to the next up to which it is read as it lies.
    private static let closeRows = 128

    /// Where A's elements stand.
    private struct RowPlaces {
        /// Floats from one row to the next within a vector, and from one step along the depth to the next.
        let row, step: Int
        /// Floats from one vector of rows to the next.
        let vector: Int
        /// Bytes of the next tile's rows that a step of a tile brings nearer: all of them in the end, where the depth is not cut.
        let ahead: Int

        init(_ layout: ProductShape.Layout) {
            switch layout {
            case .rows(let stride): (row, step, vector, ahead) = (stride, 1, 16 * stride, 32)
            case .columns(let stride): (row, step, vector, ahead) = (1, stride, 16, 4 * stride)
            case .vectors(let stride): (row, step, vector, ahead) = (1, 16, stride, 64)
            case .packed: preconditionFailure("A is never packed")
            }
        }

        func offset(_ index: Int) -> Int { index / 16 * vector + index % 16 * row }
    }

    init(_ shape: ProductShape) {
        self.shape = shape
        blocks = ColumnBlocks(columns: shape.columns).all
        a = RowPlaces(shape.a)
        switch shape.b {
        case .rows(let stride):
            (bStep, bColumn, bVector) = (stride, 1, 16)
            readsPlainB =
                shape.columns % ColumnBlocks.Block.lanes == 0 && (stride <= Self.closeRows || shape.rows <= 16)
        case .columns(let stride): (bStep, bColumn, bVector, readsPlainB) = (1, stride, 16, false)
        case .packed: (bStep, bColumn, bVector, readsPlainB) = (0, 0, 16, false)
        case .vectors(let stride): (bStep, bColumn, bVector, readsPlainB) = (16, 1, stride, true)
        }
        // What is added to C is a sum of its own, so its chain is not cut.
        let parts = shape.accumulates ? 1 : (shape.depth + Self.deepest - 1) / Self.deepest
        depthBlock = (shape.depth + parts - 1) / parts
    }

    /// Bytes for a block of B.
    var scratchBytes: Int {
        guard !shape.isPacked && !readsPlainB else { return 0 }
        return (blocks.map(\.width).max() ?? 0) * shape.depth * MemoryLayout<Float>.stride
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
                let own = b + block.first / 16 * bVector
                if readsPlainB {
                    var ahead = Ahead.nothing
                    if case .vectors = shape.b, number + 1 < blocks.count {
                        ahead = .vectors(
                            own + block.vectors * bVector, stride: bVector, count: blocks[number + 1].vectors)
                    }
                    run(a, block, own, step: bStep, vector: bVector, ahead: ahead, into: c + block.first)
                } else {
                    guard let packed = scratch?.assumingMemoryBound(to: Float.self) else {
                        preconditionFailure("a product that packs needs memory")
                    }
                    ColumnBlocks.pack(block, b, row: bStep, column: bColumn, depth: shape.depth, into: packed)
                    run(a, block, packed, step: block.width, vector: 16, ahead: .nothing, into: c + block.first)
                }
            }
        }
    }

    /// With B packed by blocks.
    func run(_ a: UnsafePointer<Float>, packed: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>) {
        var start = packed
        for index in 0..<shape.batch {
            start = runOne(
                a + index * shape.rows * shape.depth, packed: start, into: c + index * shape.rows * shape.columns)
        }
    }

    /// One of a batch.
    ///
    /// - Returns: what follows its B.
    private func runOne(
        _ a: UnsafePointer<Float>, packed: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>
    ) -> UnsafePointer<Float> {
        var start = packed
        for (index, block) in blocks.enumerated() {
            let next = start + block.width * shape.depth
            let ahead: Ahead = index + 1 < blocks.count ? .whole(next, width: block.width) : .nothing
            run(a, block, start, step: block.width, vector: 16, ahead: ahead, into: c + block.first)
            start = next
        }
        return start
    }

    /// What of B will be wanted next, for tiles to bring near meanwhile.
    private enum Ahead {
        case nothing
        /// A packed block, in which all tiles share.
        case whole(UnsafePointer<Float>, width: Int)
        /// Vectors of columns, of each of which tiles take a part.
        case vectors(UnsafePointer<Float>, stride: Int, count: Int)

        /// Where one tile of several begins, and the bytes from one of its steps to the next.
        func part(_ tile: Int, of tiles: Int, first: Int, depth: Int) -> (start: UnsafeRawPointer, step: Int)? {
            switch self {
            case .whole(let start, let width):
                let step = width * MemoryLayout<Float>.stride / tiles
                return (UnsafeRawPointer(start + first * width) + tile * depth * step, step)
            case .vectors(let start, let stride, let count):
                let (vector, row) = (tile * count * depth / tiles).quotientAndRemainder(dividingBy: depth)
                return (
                    UnsafeRawPointer(start + vector * stride + (first + row) * 16),
                    16 * MemoryLayout<Float>.stride * count / tiles
                )
            case .nothing: return nil
            }
        }
    }

    /// All rows of C, of one block of its columns.
    ///
    /// - Parameters:
    ///   - step: floats from one row of B to the next.
    ///   - vector: floats from one vector of its columns to the next.
    private func run(
        _ a: UnsafePointer<Float>, _ block: ColumnBlocks.Block, _ b: UnsafePointer<Float>, step: Int, vector: Int,
        ahead: Ahead, into c: UnsafeMutablePointer<Float>
    ) {
        let tiles = (shape.rows + 7) / 8
        var first = 0
        while first < shape.depth {
            let depth = min(depthBlock, shape.depth - first)
            var row = 0
            while row < shape.rows {
                let rows = RegisterTile.rows(of: shape.rows - row)
                let following = min(row + rows, shape.rows - 1)
                let own = b + first * step
                let next = ahead.part(row / 8, of: tiles, first: first, depth: depth) ?? (UnsafeRawPointer(own), 0)
                RegisterTile.run(
                    rows: rows, vectors: block.vectors,
                    TileOperands(
                        a: a + self.a.offset(row) + first * self.a.step, aRow: self.a.row, aStep: self.a.step, b: own,
                        bStep: step, bVector: vector, depth: depth, c: c + row * shape.cStride, cRow: shape.cStride,
                        lastLanes: block.lastLanes, continues: first > 0, adds: shape.accumulates,
                        nextA: a + self.a.offset(following) + first * self.a.step, nextB: next.start,
                        nextAStep: self.a.ahead, nextBStep: next.step))
                row += rows
            }
            first += depth
        }
    }
}
