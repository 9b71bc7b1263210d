import Testing

/// Rows and columns around the borders of vectors.
struct RowShape: Sendable, CustomTestStringConvertible {
    let rows, columns: Int

    var count: Int { rows * columns }
    var testDescription: String { "\(rows) x \(columns)" }

    static let sweep = [1, 2, 5].flatMap { rows in
        [1, 3, 15, 16, 17, 33, 64, 70].map { RowShape(rows: rows, columns: $0) }
    }
}
