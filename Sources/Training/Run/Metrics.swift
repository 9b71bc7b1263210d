import Foundation
import Storage

/// One line of `metrics.jsonl`.
public struct MetricsLine: Codable, Equatable, Sendable {
    public let step: Int
    public let epoch: Double
    public let loss, mse, vb: Double
    public let gradientNorm: Double
    public let learningRate: Double
    /// Fixed-point iterations (without gradient, with gradient).
    public let iterations: [Int]
    /// Of the step, on rank 0.
    public let seconds: Double
    public let samplesPerSecond: Double
}

/// Appends to a run's `metrics.jsonl`. On resume, lines after the step that the run goes on from are dropped, so
/// that the file reads as that of a run that was never stopped.
public final class MetricsWriter {
    private let path: String
    private let handle: FileHandle
    private let encoder = JSONEncoder()

    /// - Parameter step: the step that the run goes on from.
    /// - Throws: `StorageError` when the file cannot be written.
    public init(run: String, from step: Int) throws {
        path = run + "/metrics.jsonl"
        encoder.outputFormatting = [.sortedKeys]
        let kept = try Self.lines(run: run).filter { $0.step <= step }
        var text = ""
        for line in kept { text += try Self.text(line, encoder) }
        try AtomicFile.write(text, to: path)
        guard let handle = FileHandle(forWritingAtPath: path) else {
            throw StorageError(.io, path, "cannot be opened for writing; check its permissions")
        }
        self.handle = handle
        try handle.seekToEnd()
    }

    deinit { try? handle.close() }

    public func append(_ line: MetricsLine) throws {
        do {
            try handle.write(contentsOf: Data(try Self.text(line, encoder).utf8))
        } catch {
            throw StorageError(.io, path, "cannot be written: \(error.localizedDescription); is the disk full?")
        }
    }

    /// The lines of a run; a last line that a crash cut short is passed over.
    public static func lines(run: String) throws -> [MetricsLine] {
        let path = run + "/metrics.jsonl"
        guard try Files.exists(path) else { return [] }
        let text = String(decoding: try Files.read(path), as: UTF8.self)
        return text.split(separator: "\n").compactMap {
            try? JSONDecoder().decode(MetricsLine.self, from: Data($0.utf8))
        }
    }

    private static func text(_ line: MetricsLine, _ encoder: JSONEncoder) throws -> String {
        String(decoding: try encoder.encode(line), as: UTF8.self) + "\n"
    }
}
