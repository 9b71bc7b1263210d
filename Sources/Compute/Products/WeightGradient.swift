/// The gradient of a weight [N, K]: outputGradient^T input, summed over rows; a task for each tile of N and block of K.
public struct WeightGradient: Sendable {
    public let outputGradient: TiledRows
    public let input: TiledRows

    /// Rows of one product: what it reads of them stays in the cache.
    private static let rowsPerProduct = 512
    /// Columns of the input that one product takes: with many more it runs at half the speed.
    private static let widestBlock = 1152, usualBlock = 768
    /// Blocks are a multiple of so many columns.
    static let step = 16

    public init(_ outputGradient: TiledRows, _ input: TiledRows) {
        self.outputGradient = outputGradient
        self.input = input
    }

    public var tasks: Int { outputGradient.layout.tiles * Self.blocks(input.layout).count }

    private static func blocks(_ input: TileLayout) -> [Range<Int>] {
        blocks(input.columns, step: input.inVectors ? input.lanes : step)
    }

    /// Columns of the input, block by block, multiples of a step.
    static func blocks(_ depth: Int, step: Int = step) -> [Range<Int>] {
        guard depth > widestBlock else { return [0..<depth] }
        let parts = (depth + usualBlock - 1) / usualBlock
        let width = ((depth + parts - 1) / parts + step - 1) / step * step
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

    /// Prepares the products over so many rows of operands that lie so. To be called while none runs.
    public static func products(
        _ engine: Engine, _ gradient: TileLayout, _ input: TileLayout, rows: Int
    ) -> Products {
        let (columns, width, depth) = (gradient.columns, gradient.width, input.columns)
        let blocks = blocks(input)
        var products: [Products.Key: Product] = [:]
        for count in Set([min(rowsPerProduct, rows), rows % rowsPerProduct]) where count > 0 {
            for tile in Set([min(width, columns), columns % width]) where tile > 0 {
                for block in Set(blocks.map(\.count)) {
                    products[Products.Key(rows: count, tile: tile, block: block)] = engine.products(
                        ProductShape(
                            rows: tile, columns: block, depth: count, a: gradient.transposed(tile),
                            b: input.operand, engine.precision.element, cStride: depth, accumulates: true,
                            kind: .weightGradient))
                }
            }
        }
        return Products(products: products, blocks: blocks, rows: rows)
    }

    /// gradient [N, K] += outputGradient^T input, one tile of N and block of K.
    public func run(_ products: Products, into gradient: FloatBuffer, task: Int, worker: Int) {
        let (tile, index) = task.quotientAndRemainder(dividingBy: products.blocks.count)
        let (columns, block) = (outputGradient.layout.columnsOf(tile), products.blocks[index])
        for first in stride(from: 0, to: products.rows, by: Self.rowsPerProduct) {
            let count = min(Self.rowsPerProduct, products.rows - first)
            guard
                let product = products.products[
                    Products.Key(rows: count, tile: columns.count, block: block.count)]
            else { fatalError("products for another number of rows") }
            product.run(
                outputGradient.start(columns.lowerBound, tile: columns.count, row: first),
                input.start(block.lowerBound, tile: input.layout.columns, row: first),
                into: gradient.base + columns.lowerBound * input.layout.columns + block.lowerBound, worker: worker)
        }
    }
}
