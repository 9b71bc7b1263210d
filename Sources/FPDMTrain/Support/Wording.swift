import Foundation

/// A duration as a person says it: 48s, 3m 20s, 2h 5m.
func readable(seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "?" }
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole)s" }
    if whole < 3600 { return "\(whole / 60)m \(whole % 60)s" }
    if whole < 86_400 { return "\(whole / 3600)h \(whole % 3600 / 60)m" }
    return "\(whole / 86_400)d \(whole % 86_400 / 3600)h"
}

/// A number with `digits` significant digits, without an exponent where it is of ordinary size.
func significant(_ value: Double, _ digits: Int = 4) -> String { String(format: "%.\(digits)g", value) }

/// Rows in columns: texts to the left, those after the first `texts` columns to the right.
func table(_ rows: [[String]], texts: Int) -> String {
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

/// A number of things: 1 image, 2 images.
func counted(_ count: Int, _ thing: String) -> String { "\(count) \(thing)\(count == 1 ? "" : "s")" }
