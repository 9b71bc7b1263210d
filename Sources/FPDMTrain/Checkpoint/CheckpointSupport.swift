import ArgumentParser
import Checkpoints
import Foundation

/// What the checkpoint commands share.
enum CheckpointSupport {
    /// Opens what a path stands for, and says which later ones are damaged.
    static func open(_ path: String) throws -> CheckpointReader {
        try CheckpointStore.open(path) { Console.log.notice("skipping \($0.reason)") }
    }

    /// Rows in columns: texts to the left, those after the first `texts` columns to the right.
    static func table(_ rows: [[String]], texts: Int) -> String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return column < texts ? cell + space : space + cell
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }

    /// A number with six significant digits.
    static func short(_ number: Double) -> String { String(format: "%.6g", number) }

    /// A count with thousands apart.
    static func grouped(_ number: Int) -> String {
        let digits = Array(String(number))
        return digits.enumerated().map { index, digit in
            index > 0 && (digits.count - index) % 3 == 0 ? ",\(digit)" : String(digit)
        }.joined()
    }
}
