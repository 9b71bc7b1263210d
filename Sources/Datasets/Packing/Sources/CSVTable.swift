import Foundation

/// Where label and values stand in a CSV file's lines.
struct CSVTable {
    let path: String
    let hasHeader: Bool
    let labelColumn: Int?
    let side: Int
    private let channels: Int
    private let names: [String]
    private var columns: Int { names.count }

    /// - Parameter firstLine: names of columns if one of them is `label` or none is a number; else values already.
    init(path: String, firstLine: [Substring.UTF8View], side: Int?, channels: Int) throws {
        self.path = path
        self.channels = channels
        let texts = firstLine.map { String(Substring($0)) }
        // One bad number must not turn a line of values into names.
        hasHeader = texts.contains("label") || texts.allSatisfy { Double($0) == nil }
        func isImage(_ values: Int) -> Bool { Self.side(of: values, channels, side) != nil }
        if hasHeader {
            names = texts
            labelColumn = texts.firstIndex(of: "label")
        } else {
            names = texts.indices.map { "\($0 + 1)" }
            labelColumn = !isImage(texts.count) && isImage(texts.count - 1) ? 0 : nil
        }
        let values = texts.count - (labelColumn == nil ? 0 : 1)
        guard let found = Self.side(of: values, channels, side) else {
            let wanted =
                side.map { "side \($0) and \(channels) channels make \(channels * $0 * $0)" }
                ?? "that is no square image of \(channels) channels"
            let label = labelColumn == nil ? "no column \"label\" and" : "a label and"
            throw DatasetError(
                .malformed, path,
                "line 1: \(label) \(values) columns of values, but \(wanted); see --side and --channels")
        }
        self.side = found
    }

    private static func side(of values: Int, _ channels: Int, _ side: Int?) -> Int? {
        let found = side ?? Int((Double(values) / Double(channels)).squareRoot().rounded())
        return found > 0 && channels * found * found == values ? found : nil
    }

    /// Takes a line's values.
    func parse(
        _ line: Int, _ fields: [Substring.UTF8View], _ range: ClosedRange<Double>, _ values: inout CSVValues,
        _ classes: inout [Int32]
    ) throws {
        guard fields.count == columns else {
            throw malformed(line, "has \(fields.count) columns, line 1 has \(columns)")
        }
        for (column, field) in fields.enumerated() {
            let text = Substring(field)
            if column == labelColumn {
                guard let label = Int32(text), label >= 0 else {
                    throw malformed(
                        line, "column \(names[column]): \"\(text)\" is not a class; classes are whole numbers from 0")
                }
                classes.append(label)
                continue
            }
            guard let value = Float(text), value.isFinite else {
                throw malformed(line, "column \(names[column]): \"\(text)\" is not a number")
            }
            guard range.contains(Double(value)) else {
                throw malformed(
                    line,
                    "column \(names[column]): \(text) is beyond \(range.lowerBound) to \(range.upperBound); see --value-range"
                )
            }
            values.append(value)
        }
    }

    private func malformed(_ line: Int, _ message: String) -> DatasetError {
        DatasetError(.malformed, path, "line \(line): \(message)")
    }
}

/// The lines of a CSV file. Fields may be quoted, but hold neither commas nor line ends.
enum CSVLines {
    /// Calls `body` with each line's number, from 1, and its fields, without the space and the quotes around them; empty
    /// lines are left out.
    static func forEach(in bytes: [UInt8], _ body: (_ number: Int, _ fields: [Substring.UTF8View]) throws -> Void)
        throws
    {
        var bytes = bytes[...]
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let text = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespaces.union(.newlines))
            if text.isEmpty { continue }
            let fields = text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            try body(index + 1, fields.map { trim($0) })
        }
    }

    private static func trim(_ field: Substring.UTF8View) -> Substring.UTF8View {
        var field = field
        while field.first == UInt8(ascii: " ") { field.removeFirst() }
        while field.last == UInt8(ascii: " ") { field.removeLast() }
        let quote = UInt8(ascii: "\"")
        if field.count >= 2, field.first == quote, field.last == quote { field = field.dropFirst().dropLast() }
        return field
    }
}
