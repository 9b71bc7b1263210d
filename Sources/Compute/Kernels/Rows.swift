/// What a layer does with the rows of its product before the next one reads them.
public enum Rows {
    /// output [rows, N] = product + bias, and float32 too where asked; `output` may be the product itself.
    ///
    /// - Parameters:
    ///   - product: float32.
    ///   - bias: [N]
    ///   - addend: float32, [period, N]: row r takes row (first + r) mod period.
    ///   - stream: float32, takes the same unrounded.
    public static func add(
        _ product: Matrix, bias: UnsafePointer<Float>, addend: (matrix: Matrix, first: Int, period: Int)? = nil,
        stream: Matrix? = nil, output: Matrix?, rows: Int
    ) {
        switch output?.element ?? .float32 {
        case .float32: add(StoredFloat32.self, product, bias, addend, stream, output, rows)
        case .bfloat16: add(StoredBFloat16.self, product, bias, addend, stream, output, rows)
        }
    }

    private static func add<E: StoredElement>(
        _: E.Type, _ product: Matrix, _ bias: UnsafePointer<Float>,
        _ addend: (matrix: Matrix, first: Int, period: Int)?, _ stream: Matrix?, _ output: Matrix?, _ rows: Int
    ) {
        for row in 0..<rows {
            let x = product.floats(row)
            let added = addend.map { $0.matrix.floats(($0.first + row) % $0.period) }
            let (kept, y) = (stream?.floats(row), output?.row(row))
            for (i, n) in vectors(product.columns) {
                var v = load(x + i, n) + load(bias + i, n)
                if let added { v += load(added + i, n) }
                if let kept { store(v, kept + i, n) }
                if let y { E.store(v, y, i, n) }
            }
        }
    }

    /// Converts between element types, or copies.
    public static func copy(_ input: Matrix, to output: Matrix, rows: Int) {
        switch (input.element, output.element) {
        case (.float32, .float32): copy(StoredFloat32.self, StoredFloat32.self, input, output, rows)
        case (.float32, .bfloat16): copy(StoredFloat32.self, StoredBFloat16.self, input, output, rows)
        case (.bfloat16, .float32): copy(StoredBFloat16.self, StoredFloat32.self, input, output, rows)
        case (.bfloat16, .bfloat16): copy(StoredBFloat16.self, StoredBFloat16.self, input, output, rows)
        }
    }

    private static func copy<A: StoredElement, B: StoredElement>(
        _: A.Type, _: B.Type, _ input: Matrix, _ output: Matrix, _ rows: Int
    ) {
        guard output.isInVectors else {
            for row in 0..<rows {
                let (x, y) = (input.row(row), output.row(row))
                for (i, n) in vectors(input.columns) { B.store(A.load(x, i, n), y, i, n) }
            }
            return
        }
        // Cache line by cache line: what is written lies one behind the other.
        for line in stride(from: 0, to: input.columns, by: B.line) {
            let columns = min(B.line, input.columns - line)
            for row in 0..<rows {
                let (x, y) = (input.row(row), output.row(row))
                for (i, n) in vectors(columns) { output.store(B.self, A.load(x, line + i, n), y, line + i, n) }
            }
        }
        output.finishStores()
    }

    /// Adds float32 rows to float32 rows of as many columns.
    public static func add(_ matrix: Matrix, to sums: Matrix, rows: Int) {
        for row in 0..<rows {
            let (x, y) = (matrix.floats(row), sums.floats(row))
            for (i, n) in vectors(matrix.columns) { store(load(y + i, n) + load(x + i, n), y + i, n) }
        }
    }

    /// sums [N] += the column sums of rows of a matrix.
    public static func addColumns(_ matrix: Matrix, to sums: UnsafeMutablePointer<Float>, rows: Int) {
        switch matrix.element {
        case .float32: addColumns(StoredFloat32.self, matrix, sums, rows)
        case .bfloat16: addColumns(StoredBFloat16.self, matrix, sums, rows)
        }
    }

    private static func addColumns<E: StoredElement>(
        _: E.Type, _ matrix: Matrix, _ sums: UnsafeMutablePointer<Float>, _ rows: Int
    ) {
        for row in 0..<rows {
            let x = matrix.row(row)
            for (i, n) in vectors(matrix.columns) { store(load(sums + i, n) + E.load(x, i, n), sums + i, n) }
        }
    }
}
