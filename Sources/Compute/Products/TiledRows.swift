/// Rows that products sum over, as a `TileLayout` says.
public struct TiledRows: Sendable {
    public let layout: TileLayout
    let matrix: Matrix

    public init(_ arena: Arena, _ layout: TileLayout, _ element: Element) {
        self.layout = layout
        guard element.perLine == layout.lanes else { fatalError("a layout of another element type") }
        let dense = arena.take(rows: layout.rows, columns: layout.storedColumns, element)
        matrix =
            layout.inVectors
            ? Matrix(
                dense.base, element, columns: layout.columns, stride: layout.lanes,
                vectorStride: layout.rows * layout.lanes) : dense
    }

    private init(_ layout: TileLayout, _ matrix: Matrix) { (self.layout, self.matrix) = (layout, matrix) }

    /// For an input that is kept as a row-major matrix: what `take` fills where products read another layout; else it has
    /// no memory.
    public static func copy(_ arena: Arena, _ layout: TileLayout, _ element: Element) -> TiledRows {
        layout.inVectors
            ? TiledRows(arena, layout, element)
            : TiledRows(layout, arena.take(rows: 0, columns: layout.columns, element))
    }

    /// The input that this is the copy of, as products read it.
    ///
    /// - Parameter kept: from the first row on.
    public func input(_ kept: Matrix) -> TiledRows { layout.inVectors ? self : TiledRows(layout, kept) }

    /// Where to write rows of a layer's input from `first` on.
    public func place(_ first: Int) -> Matrix {
        assert(layout.tiles == 1, "rows in tiles have more than one place")
        return matrix.from(first)
    }

    /// Takes over rows of an input that is kept as a row-major matrix, where products read another layout.
    public func take(_ rows: Matrix, at first: Int, count: Int) {
        if layout.inVectors { Rows.copy(rows, to: matrix.from(first), rows: count) }
    }

    /// Where to write dense rows of an output gradient from `first` on, which a product reads too: their place, or
    /// `scratch`, from which `store` takes them.
    @inline(__always)
    public func target(_ first: Int, _ scratch: Matrix) -> Matrix { layout.isRowMajor ? matrix.from(first) : scratch }

    /// Takes dense rows that were written to `target`, or elsewhere.
    public func store(_ rows: Matrix, at first: Int, count: Int) {
        if layout.isRowMajor, rows.base == matrix.row(first) { return }
        guard !layout.inVectors else { return Rows.copy(rows, to: matrix.from(first), rows: count) }
        let bytes = matrix.element.bytes
        for start in stride(from: 0, to: layout.columns, by: layout.width) {
            let width = min(layout.width, layout.columns - start)
            for row in 0..<count {
                self.start(start, tile: width, row: first + row).copyMemory(
                    from: rows.row(row) + start * bytes, byteCount: width * bytes)
            }
        }
    }

    /// Where products begin to read (`TileLayout.offset`).
    func start(_ column: Int, tile count: Int, row: Int) -> UnsafeMutableRawPointer {
        matrix.base + layout.offset(column, tile: count, row: row) * matrix.element.bytes
    }
}
