/// y = x W^T + b, forward beside backward. R rows, K inputs, N outputs; W is [N, K] as PyTorch stores it.
public struct Linear: Sendable {
    public let inputs: Int
    public let outputs: Int
    /// Row stride of the weight; above `inputs` where the weight is a part of a wider one's columns.
    public let weightStride: Int
    public let tiling: Tiling

    public init(inputs: Int, outputs: Int, weightStride: Int? = nil, tiling: Tiling = .tokens) {
        precondition(inputs > 0 && outputs > 0, "an empty linear layer")
        self.inputs = inputs
        self.outputs = outputs
        self.weightStride = weightStride ?? inputs
        self.tiling = tiling
    }

    /// output [R, N] = input [R, K] W^T + bias + addend, and GELU of it where asked.
    ///
    /// - Parameters:
    ///   - input, output: of `tiling.padded(rows)` rows; the padding's values are of no meaning.
    ///   - bias: [N].
    ///   - addend: [R, N], added to the product.
    ///   - activated: [R, N], takes gelu(output); `output` itself may be given.
    public func forward(
        _ engine: Engine, input: FloatBuffer, weight: FloatBuffer, bias: FloatBuffer? = nil,
        addend: FloatBuffer? = nil, output: FloatBuffer, activated: FloatBuffer? = nil, rows: Int
    ) {
        checkRows(input, inputs, rows)
        checkRows(output, outputs, rows)
        let tile = Tiling.columnTile(outputs)
        let columnTiles = (outputs + tile - 1) / tile
        let rowTiles = tiling.padded(rows) / tiling.rows
        engine.pool.parallelFor(rowTiles * columnTiles) { task, _ in
            let first = task / columnTiles * tiling.rows
            let column = task % columnTiles * tile
            let width = min(tile, outputs - column)
            engine.matrix.multiply(
                transposeA: false, transposeB: true, m: tiling.rows, n: width, k: inputs, alpha: 1,
                a: input.base + first * inputs, lda: inputs, b: weight.base + column * weightStride,
                ldb: weightStride, beta: 0, c: output.base + first * outputs + column, ldc: outputs)
            for row in first..<min(first + tiling.rows, rows) {
                let offset = row * outputs + column
                Self.finish(
                    output.base + offset, bias: bias.map { UnsafePointer($0.base + column) },
                    addend: addend.map { UnsafePointer($0.base + offset) },
                    activated: activated.map { $0.base + offset },
                    count: width)
            }
        }
    }

    /// inputGradient [R, K] = outputGradient [R, N] W, added to what is there if `accumulate`.
    public func backwardInput(
        _ engine: Engine, outputGradient: FloatBuffer, weight: FloatBuffer, inputGradient: FloatBuffer, rows: Int,
        accumulate: Bool = false
    ) {
        checkRows(outputGradient, outputs, rows)
        checkRows(inputGradient, inputs, rows)
        let tile = Tiling.columnTile(inputs)
        let columnTiles = (inputs + tile - 1) / tile
        let rowTiles = tiling.padded(rows) / tiling.rows
        engine.pool.parallelFor(rowTiles * columnTiles) { task, _ in
            let first = task / columnTiles * tiling.rows
            let column = task % columnTiles * tile
            engine.matrix.multiply(
                transposeA: false, transposeB: false, m: tiling.rows, n: min(tile, inputs - column), k: outputs,
                alpha: 1, a: outputGradient.base + first * outputs, lda: outputs, b: weight.base + column,
                ldb: weightStride, beta: accumulate ? 1 : 0, c: inputGradient.base + first * inputs + column,
                ldc: inputs)
        }
    }

    /// weightGradient [N, K] += outputGradient^T input; biasGradient [N] += column sums of outputGradient.
    public func backwardWeight(
        _ engine: Engine, input: FloatBuffer, outputGradient: FloatBuffer, weightGradient: FloatBuffer,
        biasGradient: FloatBuffer? = nil, rows: Int
    ) {
        // Taller for narrow inputs, whose packed copy each task makes anew.
        let rowTile = inputs < 256 ? 2 * Tiling.tokens.rows : Tiling.tokens.rows
        let tile = Tiling.columnTile(inputs)
        let columnTiles = (inputs + tile - 1) / tile
        let rowTiles = (outputs + rowTile - 1) / rowTile
        engine.pool.parallelFor(rowTiles * columnTiles) { task, _ in
            let first = task / columnTiles * rowTile
            let count = min(rowTile, outputs - first)
            let column = task % columnTiles * tile
            engine.matrix.multiply(
                transposeA: true, transposeB: false, m: count, n: min(tile, inputs - column), k: rows, alpha: 1,
                a: outputGradient.base + first, lda: outputs, b: input.base + column, ldb: inputs, beta: 1,
                c: weightGradient.base + first * weightStride + column, ldc: weightStride)
            if let biasGradient, column == 0 {
                addColumnSums(
                    outputGradient.base + first, stride: outputs, rows: rows, columns: count,
                    to: biasGradient.base + first)
            }
        }
    }

    private func checkRows(_ buffer: FloatBuffer, _ columns: Int, _ rows: Int) {
        precondition(
            tiling.padded(rows) * columns <= buffer.count, "a buffer of a linear layer must hold whole tiles of rows")
    }

    @inline(__always)
    private static func finish(
        _ output: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>?, addend: UnsafePointer<Float>?,
        activated: UnsafeMutablePointer<Float>?, count: Int
    ) {
        forEachVector(count) { i in
            var value = load(output + i)
            if let addend { value += load(addend + i) }
            if let bias { value += load(bias + i) }
            store(value, output + i)
            if let activated { store(GELU.value(value), activated + i) }
        } part: { i, n in
            var value = loadPart(output + i, n)
            if let addend { value += loadPart(addend + i, n) }
            if let bias { value += loadPart(bias + i, n) }
            storePart(value, output + i, n)
            if let activated { storePart(GELU.value(value), activated + i, n) }
        }
    }
}

/// sums [columns] += the sums of the columns of a [rows, columns] matrix, row after row.
func addColumnSums(
    _ matrix: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, to sums: UnsafeMutablePointer<Float>
) {
    forEachVector(columns) { i in
        var sum = Vector()
        for row in 0..<rows { sum += load(matrix + row * stride + i) }
        store(load(sums + i) + sum, sums + i)
    } part: { i, n in
        var sum = Vector()
        for row in 0..<rows { sum += loadPart(matrix + row * stride + i, n) }
        storePart(loadPart(sums + i, n) + sum, sums + i, n)
    }
}
