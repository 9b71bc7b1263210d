import CPlatform

/// Where the rows of a product's A stand, for register tiles that go down them.
struct RowPlaces: Sendable {
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

    @inline(__always)
    func offset(_ index: Int) -> Int { index / 16 * vector + index % 16 * row }
}

/// How a product's depth is cut, so that a block of B's columns over one part of it stays in the nearer caches.
enum DepthParts {
    private static let deepest = 512

    /// Steps along the depth of a part. What is added to C is a sum of its own, whose chain is not cut.
    static func size(_ shape: ProductShape) -> Int {
        let parts = shape.accumulates ? 1 : (shape.depth + deepest - 1) / deepest
        return (shape.depth + parts - 1) / parts
    }
}

/// What of B will be wanted next, for tiles to bring near meanwhile.
enum NextBlock {
    case nothing
    /// A packed block, in which all tiles share: bytes of each of its rows.
    case whole(UnsafeRawPointer, row: Int)
    /// Vectors of columns, a cache line for each row, of each of which tiles take a part.
    case vectors(UnsafeRawPointer, stride: Int, count: Int)

    private static let line = 64

    /// Where one tile of several begins, and the bytes from one of its steps to the next.
    @inline(__always)
    func part(_ tile: Int, of tiles: Int, depth: Int) -> (start: UnsafeRawPointer, step: Int)? {
        switch self {
        case .whole(let start, let row):
            let step = row / tiles
            return (start + tile * depth * step, step)
        case .vectors(let start, let stride, let count):
            let (vector, row) = (tile * count * depth / tiles).quotientAndRemainder(dividingBy: depth)
            return (start + vector * stride + row * Self.line, Self.line * count / tiles)
        case .nothing: return nil
        }
    }
}

/// Register tiles down the rows of C: of one block of its columns, over one part of the depth.
struct RowTiles {
    let rows: Int
    let places: RowPlaces
    /// Floats from one row of C to the next.
    let cRow: Int
    let block: ColumnBlocks.Block
    /// A's first row and B's first row of the part.
    let a, b: UnsafePointer<Float>
    /// Floats from one row of B to the next, and from one vector of its columns to the next.
    let bStep, bVector: Int
    let depth: Int
    let c: UnsafeMutablePointer<Float>
    /// Goes on with what C has as sums begun.
    let continues: Bool
    /// Adds the finished sums to what C has.
    let adds: Bool
    let next: NextBlock

    /// All of them.
    func run() {
        var row = 0
        while row < rows { row += run(from: row) }
    }

    /// The tile at a row, a multiple of eight or past all of those.
    ///
    /// - Parameter ahead: what is brought near instead of the next tile's rows: from where, and bytes at a step.
    /// - Returns: its rows.
    @inline(__always)
    func run(from row: Int, ahead: (start: UnsafeRawPointer, step: Int)? = nil) -> Int {
        let count = RegisterTile.rows(of: rows - row)
        let following = min(row + count, rows - 1)
        let next = self.next.part(row / 8, of: (rows + 7) / 8, depth: depth) ?? (UnsafeRawPointer(b), 0)
        let nextA = ahead ?? (UnsafeRawPointer(a + places.offset(following)), places.ahead)
        RegisterTile.run(
            rows: count, vectors: block.vectors,
            TileOperands(
                a: a + places.offset(row), aRow: places.row, aStep: places.step, b: b, bStep: bStep, bVector: bVector,
                depth: depth, c: c + row * cRow, cRow: cRow, lastLanes: block.lastLanes, continues: continues,
                adds: adds, nextA: nextA.start, nextB: next.start, nextAStep: nextA.step, nextBStep: next.step))
        return count
    }
}
