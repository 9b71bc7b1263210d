import Foundation
import Storage
import TestSupport
import Testing

@testable import Training

@Suite("Metrics of a run")
struct RunMetricsTests {
    /// A line with values that decimals do not hold exactly.
    private func line(_ step: Int, loss: Double = 1 / 3) -> MetricsLine {
        MetricsLine(
            step: step, epoch: Double(step) / 7, loss: loss, mse: 0.1, vb: 1e-17, gradientNorm: 12_345.678,
            learningRate: 1e-4, iterations: [step, 2], seconds: 0.25, samplesPerSecond: 512)
    }

    private func write(_ run: String, from step: Int, _ lines: [MetricsLine]) throws {
        let writer = try MetricsWriter(run: run, from: step)
        for line in lines { try writer.append(line) }
    }

    private func text(_ folder: TestFolder) throws -> String {
        String(decoding: try Files.read(folder("metrics.jsonl")), as: UTF8.self)
    }

    @Test("lines are appended, and read back exactly")
    func append() throws {
        let folder = try TestFolder()
        #expect(try MetricsWriter.lines(run: folder.path).isEmpty)
        let lines = (1...5).map { line($0, loss: 1 / Double($0)) }
        let writer = try MetricsWriter(run: folder.path, from: 0)
        for (i, line) in lines.enumerated() {
            try writer.append(line)
            // At once: people watch the file.
            #expect(try MetricsWriter.lines(run: folder.path) == Array(lines[...i]))
        }
        let text = try text(folder)
        #expect(text.split(separator: "\n").count == 5 && text.hasSuffix("}\n"))
    }

    @Test("a resume cuts later lines, and the file reads as that of one run")
    func resume() throws {
        let (stopped, straight) = (try TestFolder(), try TestFolder())
        try write(straight.path, from: 0, (1...8).map { line($0) })
        try write(stopped.path, from: 0, (1...6).map { line($0) })
        // From the checkpoint of step 4, though two more had been done.
        try write(stopped.path, from: 4, (5...8).map { line($0) })
        #expect(try text(stopped) == text(straight))
        // A new start in the same folder keeps nothing.
        try write(stopped.path, from: 0, [])
        #expect(try text(stopped).isEmpty)
    }

    @Test("a last line that was cut short is passed over, and gone after a resume", arguments: [1, 20, 60])
    func torn(_ missing: Int) throws {
        let folder = try TestFolder()
        try write(folder.path, from: 0, (1...3).map { line($0) })
        try damage(folder("metrics.jsonl")) { $0.removeLast(missing + 1) }
        #expect(try MetricsWriter.lines(run: folder.path) == [line(1), line(2)])
        try write(folder.path, from: 3, [line(4)])
        #expect(try MetricsWriter.lines(run: folder.path) == [line(1), line(2), line(4)])
        #expect(try text(folder).split(separator: "\n").count == 3)
    }

    @Test("a place that cannot be written is a storage error that names it")
    func unwritable() throws {
        let folder = try TestFolder()
        // Neither permissions nor a full disk can be counted on where tests run as root.
        try AtomicFile.write("a file", to: folder("run"))
        for run in [folder("run"), folder("none")] {
            do {
                _ = try MetricsWriter(run: run, from: 0)
                Issue.record("\(run) was written")
            } catch let error as StorageError {
                #expect(error.path.hasPrefix(run), "\(error)")
            }
        }
        try AtomicFile.createDirectory(folder("other/metrics.jsonl"))
        #expect(throws: StorageError.self) { _ = try MetricsWriter(run: folder("other"), from: 0) }
    }
}
