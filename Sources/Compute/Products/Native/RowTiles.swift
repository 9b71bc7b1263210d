import CPlatform

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
