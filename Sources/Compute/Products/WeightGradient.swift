/// Rows of a layer's output gradient, in tiles of columns that lie one behind the other: [tile][rows][width].
///
/// Products that sum over rows are fastest where nothing lies between a tile's rows. Up to `widest` columns are one tile,
/// which then is the row-major matrix itself.
public struct TiledRows: Sendable {
    public let columns: Int
    /// Columns of a tile; the last may have fewer.
    public let width: Int
    private let capacity: Int
    private let matrix: Matrix

    private static let widest = 384
    private static let narrowest = 192

    /// Columns of one task of a weight gradient [columns, depth]: such that tasks are of like size.
    public static func width(columns: Int, depth: Int) -> Int {
        let most = min(max(widest * 512 / depth, narrowest), widest)
        let parts = (columns + most - 1) / most
        return parts == 1 ? columns : ((columns + parts - 1) / parts + 15) / 16 * 16
    }

    public init(_ arena: Arena, rows: Int, columns: Int, width: Int, _ element: Element) {
        self.columns = columns
        self.width = width
        capacity = rows
        matrix = arena.take(rows: rows, columns: columns, element)
    }

    public var tiles: Int { (columns + width - 1) / width }

    /// Columns of a tile, and where its rows start.
    @inline(__always)
    func tile(_ index: Int) -> (columns: Range<Int>, base: UnsafeMutableRawPointer) {
        let first = index * width
        return (
            first..<min(first + width, columns), matrix.base + first * capacity * matrix.element.bytes
        )
    }

    /// Where to write rows from `first` on: their place, or `scratch`, from which `store` takes them.
    @inline(__always)
    public func target(_ first: Int, _ scratch: Matrix) -> Matrix { tiles == 1 ? matrix.from(first) : scratch }

    /// Takes dense rows that were written to `target`, or elsewhere.
    public func store(_ rows: Matrix, at first: Int, count: Int) {
        if tiles == 1, rows.base == matrix.row(first) { return }
        let bytes = matrix.element.bytes
        for index in 0..<tiles {
            let (columns, base) = tile(index)
            for row in 0..<count {
                (base + (first + row) * columns.count * bytes).copyMemory(
                    from: rows.row(row) + columns.lowerBound * bytes, byteCount: columns.count * bytes)
            }
        }
    }
}

/// The gradient of a weight [N, K]: outputGradient^T input, summed over rows; a task for each tile of N.
public struct WeightGradient: Sendable {
    public let outputGradient: TiledRows
    /// [rows, K], dense.
    public let input: Matrix

    /// Rows of one product: what it reads of them stays in the cache.
    private static let rowsPerProduct = 512

    public init(_ outputGradient: TiledRows, _ input: Matrix) {
        self.outputGradient = outputGradient
        self.input = input
    }

    public var tasks: Int { outputGradient.tiles }

    /// Products for so many rows.
    public struct Products {
        /// Of whole stretches of rows and the last one, each for whole tiles and the last one.
        fileprivate let whole, rest: (tile: Product, last: Product)?
        fileprivate let rows: Int
    }

    /// Prepares the products over so many rows. To be called while none runs.
    public static func products(_ engine: Engine, columns: Int, depth: Int, width: Int, rows: Int) -> Products {
        func pair(_ rows: Int) -> (tile: Product, last: Product)? {
            guard rows > 0 else { return nil }
            func product(_ count: Int) -> Product {
                engine.products(
                    ProductShape(
                        rows: count, columns: depth, depth: rows, a: .columns(stride: count),
                        engine.precision.element, accumulates: true, kind: .weightGradient))
            }
            let last = columns % width
            return (product(min(width, columns)), product(last == 0 ? min(width, columns) : last))
        }
        return Products(
            whole: pair(rows >= rowsPerProduct ? rowsPerProduct : 0), rest: pair(rows % rowsPerProduct), rows: rows)
    }

    /// gradient [N, K] += outputGradient^T input, one tile of N.
    public func run(_ products: Products, into gradient: FloatBuffer, task: Int, worker: Int) {
        let (columns, base) = outputGradient.tile(task)
        let bytes = input.element.bytes
        let isLast = columns.count < outputGradient.width
        for first in stride(from: 0, to: products.rows, by: Self.rowsPerProduct) {
            guard let pair = first + Self.rowsPerProduct <= products.rows ? products.whole : products.rest else {
                fatalError("products for another number of rows")
            }
            (isLast ? pair.last : pair.tile).run(
                base + first * columns.count * bytes, input.row(first),
                into: gradient.base + columns.lowerBound * input.columns, worker: worker)
        }
    }
}
