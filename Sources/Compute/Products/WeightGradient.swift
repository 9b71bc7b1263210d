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

/// The gradient of a weight [N, K]: outputGradient^T input, summed over rows; a task for each tile of N and block of K.
public struct WeightGradient: Sendable {
    public let outputGradient: TiledRows
    /// [rows, K], dense.
    public let input: Matrix

    /// Rows of one product: what it reads of them stays in the cache.
    private static let rowsPerProduct = 512
    /// Columns of the input that one product takes: with many more it runs at half the speed.
    private static let widestBlock = 1152, usualBlock = 768

    public init(_ outputGradient: TiledRows, _ input: Matrix) {
        self.outputGradient = outputGradient
        self.input = input
    }

    public var tasks: Int { outputGradient.tiles * Self.blocks(input.columns).count }

    /// Columns of the input, block by block.
    static func blocks(_ depth: Int) -> [Range<Int>] {
        guard depth > widestBlock else { return [0..<depth] }
        let parts = (depth + usualBlock - 1) / usualBlock
        let width = ((depth + parts - 1) / parts + 15) / 16 * 16
        return stride(from: 0, to: depth, by: width).map { $0..<min($0 + width, depth) }
    }

    /// Products for so many rows.
    public struct Products {
        /// By number of rows, of columns of the tile, and of columns of the block.
        fileprivate struct Key: Hashable { let rows, tile, block: Int }
        fileprivate let products: [Key: Product]
        fileprivate let blocks: [Range<Int>]
        fileprivate let rows: Int
    }

    /// Prepares the products over so many rows. To be called while none runs.
    public static func products(_ engine: Engine, columns: Int, depth: Int, width: Int, rows: Int) -> Products {
        let blocks = blocks(depth)
        var products: [Products.Key: Product] = [:]
        for count in Set([min(rowsPerProduct, rows), rows % rowsPerProduct]) where count > 0 {
            for tile in Set([min(width, columns), columns % width]) where tile > 0 {
                for block in Set(blocks.map(\.count)) {
                    products[Products.Key(rows: count, tile: tile, block: block)] = engine.products(
                        ProductShape(
                            rows: tile, columns: block, depth: count, a: .columns(stride: tile),
                            b: .rows(stride: depth), engine.precision.element, cStride: depth, accumulates: true,
                            kind: .weightGradient))
                }
            }
        }
        return Products(products: products, blocks: blocks, rows: rows)
    }

    /// gradient [N, K] += outputGradient^T input, one tile of N and block of K.
    public func run(_ products: Products, into gradient: FloatBuffer, task: Int, worker: Int) {
        let (tile, index) = task.quotientAndRemainder(dividingBy: products.blocks.count)
        let (block, (columns, base)) = (products.blocks[index], outputGradient.tile(tile))
        let bytes = input.element.bytes
        for first in stride(from: 0, to: products.rows, by: Self.rowsPerProduct) {
            let count = min(Self.rowsPerProduct, products.rows - first)
            guard
                let product = products.products[
                    Products.Key(rows: count, tile: columns.count, block: block.count)]
            else { fatalError("products for another number of rows") }
            product.run(
                base + first * columns.count * bytes, input.row(first) + block.lowerBound * bytes,
                into: gradient.base + columns.lowerBound * input.columns + block.lowerBound, worker: worker)
        }
    }
}
