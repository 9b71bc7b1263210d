/// y = x W^T + b for few rows, one a sample; forward beside backward. R rows, K inputs, N outputs; W is [N, K] as PyTorch
/// stores it. Such layers condition a network: float32 in every precision, and their weights are read as they lie.
public struct Linear: Sendable {
    public let inputs: Int
    public let outputs: Int

    /// Rows of one product at most. The last one is padded: a library may give a row other bits when their number changes.
    public static let rowTile = 8
    /// Columns of one product at most.
    private static let columnTile = 1024

    public init(inputs: Int, outputs: Int) {
        precondition(inputs > 0 && outputs > 0, "an empty linear layer")
        self.inputs = inputs
        self.outputs = outputs
    }

    /// Rows that a buffer must hold which `forward` reads or writes.
    public static func padded(_ rows: Int, group: Int = rowTile) -> Int {
        func whole(_ tile: Int) -> Int { (rows + tile - 1) / tile * tile }
        return max(whole(rowTile), whole(min(rowTile, group)))
    }

    /// Rows of a forward product: where a row's bits depend on its place among them, they begin with groups.
    private static func rowTile(_ engine: Engine, group: Int) -> Int {
        precondition(group > 0 && (group < rowTile || group % rowTile == 0), "tiles that groups cut apart")
        return engine.backend.hasIndependentRows ? rowTile : min(rowTile, group)
    }

    /// The products of `forward`, a tile of columns each: those that take memory for themselves.
    @discardableResult
    public func prepare(_ engine: Engine, group: Int) -> [Product] {
        columnTiles(outputs).map {
            engine.products(
                ProductShape(
                    rows: Self.rowTile(engine, group: group), columns: $0.count, depth: inputs,
                    b: .columns(stride: inputs), cStride: outputs))
        }
    }

    /// output [R, N] = input [R, K] W^T + bias
    ///
    /// - Parameters:
    ///   - input, output: of `padded(rows, group:)` rows; the padding's values are of no meaning.
    ///   - bias: [N]
    ///   - group: rows of a group, fewer than `rowTile` or a multiple of it. One that begins at a multiple of `group` has
    ///     the same bits at any such place.
    public func forward(
        _ engine: Engine, input: FloatBuffer, weight: FloatBuffer, bias: FloatBuffer, output: FloatBuffer, rows: Int,
        group: Int = rowTile
    ) {
        let padded = Self.padded(rows, group: group)
        precondition(
            padded * inputs <= input.count && padded * outputs <= output.count,
            "a buffer of a linear layer must hold whole tiles of rows")
        let (rowTile, tiles) = (Self.rowTile(engine, group: group), columnTiles(outputs))
        let products = prepare(engine, group: group)
        engine.pool.parallelFor((rows + rowTile - 1) / rowTile * tiles.count) { task, worker in
            let first = task / tiles.count * rowTile
            let columns = tiles[task % tiles.count]
            products[task % tiles.count].run(
                input.base + first * inputs, weight.base + columns.lowerBound * inputs,
                into: output.base + first * outputs + columns.lowerBound, worker: worker)
            for row in first..<min(first + rowTile, rows) {
                Elementwise.add(
                    bias.base + columns.lowerBound, to: output.base + row * outputs + columns.lowerBound,
                    count: columns.count)
            }
        }
    }

    /// inputGradient [R, K] = outputGradient [R, N] W, added to what is there if `accumulate`.
    public func backwardInput(
        _ engine: Engine, outputGradient: FloatBuffer, weight: FloatBuffer, inputGradient: FloatBuffer, rows: Int,
        accumulate: Bool = false
    ) {
        let tiles = columnTiles(inputs)
        func products(_ rows: Int) -> [Product] {
            tiles.map {
                engine.products(
                    ProductShape(
                        rows: rows, columns: $0.count, depth: outputs, b: .rows(stride: inputs), cStride: inputs,
                        accumulates: accumulate))
            }
        }
        let whole = rows >= Self.rowTile ? products(Self.rowTile) : []
        let rest = rows % Self.rowTile > 0 ? products(rows % Self.rowTile) : []
        engine.pool.parallelFor((rows + Self.rowTile - 1) / Self.rowTile * tiles.count) { task, worker in
            let first = task / tiles.count * Self.rowTile
            let column = tiles[task % tiles.count].lowerBound
            (first + Self.rowTile <= rows ? whole : rest)[task % tiles.count].run(
                outputGradient.base + first * outputs, weight.base + column,
                into: inputGradient.base + first * inputs + column, worker: worker)
        }
    }

    /// weightGradient [N, K] += outputGradient^T input; biasGradient [N] += column sums of outputGradient.
    public func backwardWeight(
        _ engine: Engine, input: FloatBuffer, outputGradient: FloatBuffer, weightGradient: FloatBuffer,
        biasGradient: FloatBuffer, rows: Int
    ) {
        let tiles = stride(from: 0, to: outputs, by: 256).map { $0..<min($0 + 256, outputs) }
        func product(_ count: Int) -> Product {
            engine.products(
                ProductShape(
                    rows: count, columns: inputs, depth: rows, a: .columns(stride: outputs), accumulates: true))
        }
        let products = tiles.map { product($0.count) }
        engine.pool.parallelFor(tiles.count) { task, worker in
            let first = tiles[task].lowerBound
            products[task].run(
                outputGradient.base + first, input.base, into: weightGradient.base + first * inputs, worker: worker)
            for row in 0..<rows {
                Elementwise.add(
                    outputGradient.base + row * outputs + first, to: biasGradient.base + first,
                    count: tiles[task].count)
            }
        }
    }

    private func columnTiles(_ columns: Int) -> [Range<Int>] {
        let parts = (columns + Self.columnTile - 1) / Self.columnTile
        let width = ((columns + parts - 1) / parts + 15) / 16 * 16
        return stride(from: 0, to: columns, by: width).map { $0..<min($0 + width, columns) }
    }
}
