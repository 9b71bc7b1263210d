import Checkpoints
import Foundation
import Jobs
import Storage

/// One line of `metrics.jsonl`. What does not apply to a step is left out; later versions may add keys.
public struct MetricsLine: Codable, Equatable, Sendable {
    public let step: Int
    public let epoch: Double
    /// Means over the global batch; left out where not finite.
    public let loss, mse, vb: Double?
    /// Before clipping.
    public let gradientNorm: Double?
    /// What the gradient was multiplied by, where it was clipped.
    public let clipping: Double?
    public let learningRate: Double
    /// Fixed-point iterations (without gradient, with gradient).
    public let iterations: [Int]
    /// ||f(z) - z|| / ||z|| before each of these, where it was measured.
    public let residuals: [Double]?
    /// Of the step, on rank 0.
    public let seconds: Double
    /// That the slowest rank computed, waiting for others left out.
    public let computeSeconds: Double?
    /// That the rank which waited longest for its samples did so, of `seconds`.
    public let waitSeconds: Double?
    public let samplesPerSecond: Double
    /// Whether its sums were done again on other grids; left out where not.
    public let redone: Bool?
    /// Why the step was skipped, where it was.
    public let skipped: String?
    /// The loss on held-out data after the step, where it was measured.
    public let validationLoss: Double?

    init(_ report: StepReport, epoch: Double, seconds: Double, samples: Int, validationLoss: Double?) {
        func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
        step = report.step
        self.epoch = epoch
        (loss, mse, vb) = (finite(report.loss), finite(report.mse), finite(report.vb))
        gradientNorm = finite(report.gradientNorm)
        clipping = report.clipping < 1 ? report.clipping : nil
        learningRate = report.learningRate
        iterations = [report.iterations.withoutGradient, report.iterations.withGradient]
        residuals = report.residuals.flatMap { $0.allSatisfy(\.isFinite) ? $0 : nil }
        self.seconds = seconds
        computeSeconds = report.computeSeconds.max()
        waitSeconds = report.waitSeconds
        samplesPerSecond = Double(samples) / seconds
        redone = report.isRedone ? true : nil
        skipped = report.skipped.map { "\($0)" }
        self.validationLoss = validationLoss.flatMap(finite)
    }
}

/// Appends to a run's `metrics.jsonl`. On resume, lines after the step that the run goes on from are dropped, so
/// that the file reads as that of a run that was never stopped; those before stay as they are, whichever version of
/// this program wrote them. But for validations: one that a stop left out is made up for once (`makeUp`), and is missing
/// where it was stopped again, or belongs to the last step of all.
public final class MetricsWriter {
    private let path: String
    private var handle: FileHandle
    private let encoder = JSONEncoder()
    /// Bytes of whole lines in the file.
    private var written: UInt64
    /// The lines of earlier starts.
    private let kept: [Substring]
    /// Lines that a disk had no room for so far.
    private var waiting = Data()

    /// - Parameter step: the step that the run goes on from.
    /// - Throws: `StorageError` when the file cannot be written.
    public init(run: String, from step: Int) throws {
        path = run + "/metrics.jsonl"
        encoder.outputFormatting = [.sortedKeys]
        kept = try Self.texts(run: run).filter { Self.step(of: $0).map { $0 <= step } ?? false }
        (handle, written) = try Self.write(kept, to: path)
    }

    /// A file of these lines, open for more, and its length.
    private static func write(_ lines: [Substring], to path: String) throws -> (FileHandle, UInt64) {
        try AtomicFile.write(lines.map { $0 + "\n" }.joined(), to: path)
        guard let handle = FileHandle(forWritingAtPath: path) else {
            throw StorageError(.io, path, "cannot be opened for writing; check its permissions")
        }
        return (handle, try handle.seekToEnd())
    }

    deinit { try? handle.close() }

    /// Whether the last line is of this step, and lacks the loss on held-out data.
    func lacksValidation(of step: Int) -> Bool {
        guard let last = kept.last, let line = try? JSONDecoder().decode(MetricsLine.self, from: Data(last.utf8)) else {
            return false
        }
        return line.step == step && line.validationLoss == nil
    }

    /// Adds that loss to it, before any other line is added.
    ///
    /// - Throws: `StorageError` if the file cannot be written: it is then as it was.
    func makeUp(validationLoss: Double) throws {
        guard validationLoss.isFinite, let last = kept.last, last.hasSuffix("}") else { return }
        let line = last.dropLast() + ",\"validationLoss\":\(validationLoss)}"
        let former = handle
        (handle, written) = try Self.write(kept.dropLast() + [line], to: path)
        try? former.close()
    }

    /// Adds a line.
    ///
    /// - Throws: `StorageError` if the file cannot be written: the line is kept, and written with the next that can be.
    public func append(_ line: MetricsLine) throws {
        waiting += try encoder.encode(line) + Data("\n".utf8)
        try writeWaiting()
    }

    /// Writes what could not be written so far.
    ///
    /// - Throws: `StorageError` if it still cannot be.
    public func writeWaiting() throws {
        guard !waiting.isEmpty else { return }
        do {
            // A part of the first line may be there from the last attempt.
            try handle.seek(toOffset: written)
            try handle.write(contentsOf: waiting)
        } catch {
            throw StorageError(.io, path, "cannot be written: \(error.localizedDescription); is the disk full?")
        }
        written += UInt64(waiting.count)
        waiting = Data()
    }

    /// The lines of a run; those that cannot be understood, such as a last one that a crash cut short, are skipped.
    public static func lines(run: String) throws -> [MetricsLine] {
        try texts(run: run).compactMap { try? JSONDecoder().decode(MetricsLine.self, from: Data($0.utf8)) }
    }

    /// What a run that goes on from a checkpoint of its own has lost of its metrics; nil where it has lost nothing.
    ///
    /// - Throws: `StorageError` if they cannot be read.
    static func loss(run: String, goingOnFrom checkpoint: CheckpointMetadata) throws -> String? {
        // Which steps had lines before the latest start, a job may have said that is no longer known.
        let every = (try? JobConfiguration.recorded(checkpoint.jobYAML, in: run))?.run.metricsEvery ?? 0
        let due = every > 0 ? checkpoint.step / every * every : 0
        let isDue = try RunRecord.latestStart(run: run).map { due > $0 } ?? false
        return try loss(run: run, from: checkpoint.step, due: isDue ? due : nil)
    }

    /// - Parameters:
    ///   - step: the step that the run goes on from.
    ///   - due: one up to it that must have a line; nil where none must.
    static func loss(run: String, from step: Int, due: Int?) throws -> String? {
        let lines = try texts(run: run).map(Self.step)
        // The last may be one that a crash cut short.
        let unread = lines.dropLast().count { $0 == nil }
        let latest = lines.compactMap(\.self).filter { $0 <= step }.max()
        var losses = unread > 0 ? ["lines that are not understood, and left out: \(unread)"] : []
        if let due, latest ?? 0 < due {
            losses.append("lines that are missing: those of steps \((latest ?? 0) + 1) to \(due)")
        }
        guard !losses.isEmpty else { return nil }
        return "\(run)/metrics.jsonl: is not as this run wrote it; \(losses.joined(separator: "; "))"
    }

    private static func texts(run: String) throws -> [Substring] {
        let path = run + "/metrics.jsonl"
        guard try Files.exists(path) else { return [] }
        return String(decoding: try Files.readRegular(path), as: UTF8.self).split(whereSeparator: \.isNewline)
    }

    /// All that must be understood of a line to keep it.
    private struct Step: Decodable { let step: Int }

    private static func step(of line: Substring) -> Int? {
        (try? JSONDecoder().decode(Step.self, from: Data(line.utf8)))?.step
    }
}
