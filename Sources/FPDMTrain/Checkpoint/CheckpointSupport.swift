import ArgumentParser
import Foundation
import Storage
import Training

/// What the checkpoint commands share.
enum CheckpointSupport {
    /// Runs a command; an error becomes one line on stderr and an exit code of sysexits.h.
    static func run(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as CheckpointError {
            try fail(error.description, error.kind == .missing ? 66 : 65)
        } catch let error as StorageError {
            let code: Int32 =
                switch error.kind {
                case .missing: 66
                case .malformed: 65
                case .exists: 64
                case .io, .library: 74
                }
            try fail(error.description, code)
        }
    }

    /// Opens what a path stands for, and says which newer ones are damaged.
    static func open(_ path: String) throws -> CheckpointReader {
        try CheckpointStore.open(path) { _, reason in say("skipped: \(reason)") }
    }

    /// One line beside the output.
    static func say(_ text: String) { FileHandle.standardError.write(Foundation.Data("fpdm: \(text)\n".utf8)) }

    /// A value as JSON on stdout; NaN and infinities as texts, which JSON has no numbers for.
    static func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
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

    private static func fail(_ message: String, _ code: Int32) throws -> Never {
        say(message)
        throw ExitCode(code)
    }
}
