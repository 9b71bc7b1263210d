/// How rows lie that products sum over: operands of a weight's gradient, the layer's output gradient and its input.
///
/// For libraries, the output gradient in tiles of columns one behind the other, [tile][rows][width], and the input as a
/// row-major matrix, which is one tile. For this program's own kernels both in vectors as wide as a cache line,
/// [vector][rows][lanes]: then whatever a product reads lies one behind the other.
public struct TileLayout: Sendable {
    public let columns: Int
    /// Columns of a tile, which one task takes; the last may have fewer.
    public let width: Int
    let inVectors: Bool
    /// Columns of a vector, which fill a cache line.
    let lanes: Int
    /// Rows that there is room for.
    let rows: Int

    /// Columns of a tile at most: beside libraries, whose products like them wide; and beside own kernels, which do as well with
    /// more and smaller tasks.
    static let widest = 384
    private static let widestOfOwn = 192
    private static let narrowest = 192
    /// A tile is a multiple of so many columns at least.
    private static let step = 16

    init(_ engine: Engine, rows: Int, columns: Int, width: Int) {
        self.columns = columns
        self.width = width
        inVectors = engine.backend.isNative
        lanes = engine.precision.element.perLine
        // An odd number of cache lines from one vector to the next, so that a row's do not all fall on one place of a cache.
        self.rows = inVectors ? rows | 1 : rows
    }

    /// Of a layer's input.
    public static func input(_ engine: Engine, rows: Int, columns: Int) -> TileLayout {
        TileLayout(engine, rows: rows, columns: columns, width: columns)
    }

    /// Of the gradient of a layer's output.
    ///
    /// - Parameter depth: columns of the input.
    public static func outputGradient(_ engine: Engine, rows: Int, columns: Int, depth: Int) -> TileLayout {
        TileLayout(
            engine, rows: rows, columns: columns,
            width: engine.backend.isNative
                ? width(columns: columns, depth: depth, widest: widestOfOwn, step: engine.precision.element.perLine)
                : width(columns: columns, depth: depth))
    }

    /// Columns of one task of a weight gradient [columns, depth]: such that tasks are of like size.
    static func width(columns: Int, depth: Int, widest: Int = widest, step: Int = step) -> Int {
        let most = min(max(widest * 512 / depth, narrowest), widest)
        let parts = (columns + most - 1) / most
        return parts == 1 ? columns : ((columns + parts - 1) / parts + step - 1) / step * step
    }

    var tiles: Int { (columns + width - 1) / width }
    var isRowMajor: Bool { tiles == 1 && !inVectors }
    /// Columns that there is memory for.
    var storedColumns: Int { inVectors ? (columns + lanes - 1) / lanes * lanes : columns }

    func columnsOf(_ tile: Int) -> Range<Int> { tile * width..<min((tile + 1) * width, columns) }

    /// Elements to where a row of a tile of `count` columns has column `column`, the tile's first; or a vector's.
    func offset(_ column: Int, tile count: Int, row: Int) -> Int {
        (isRowMajor ? column : column * rows) + row * (inVectors ? lanes : count)
    }

    /// A tile of so many columns as the transposed A of a product.
    func transposed(_ count: Int) -> ProductShape.Layout {
        inVectors ? .vectors(stride: rows * lanes) : .columns(stride: count)
    }

    /// The rows as B of a product.
    var operand: ProductShape.Layout { inVectors ? .vectors(stride: rows * lanes) : .rows(stride: columns) }
}
