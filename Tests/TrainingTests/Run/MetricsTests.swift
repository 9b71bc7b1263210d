import Checkpoints
import Foundation
import Jobs
import Model
import Storage
import TestSupport
import Testing

@testable import Training

@Suite("Metrics of a run")
struct MetricsTests {
    /// A line with values that decimals do not hold exactly.
    private func line(
        _ step: Int, mse: Double = 1 / 3, clipping: Double = 1, skipped: StepReport.Skipped? = nil,
        validationLoss: Double? = nil
    ) -> MetricsLine {
        let outcome = StepVote.Outcome(
            mse: [mse, 0.1], vb: [1e-17, 0], nonFiniteVirtualRanks: [], maxima: [1],
            gradientNorm: mse.isFinite ? 12_345.678 : .infinity, computeSeconds: [0.125, 0.2])
        var report = StepReport(
            step: step, outcome, weights: [1, 1], iterations: Iterations(withoutGradient: step, withGradient: 2),
            learningRate: 1e-4)
        report.clipping = clipping
        report.skipped = skipped
        return MetricsLine(
            report, epoch: Double(step) / 7, seconds: 0.25, samples: 128, validationLoss: validationLoss)
    }

    private func write(_ run: String, from step: Int, _ lines: [MetricsLine]) throws {
        let writer = try MetricsWriter(run: run, from: step)
        for line in lines { try writer.append(line) }
    }

    private func text(_ folder: TestFolder) throws -> String {
        String(decoding: try Files.read(folder("metrics.jsonl")), as: UTF8.self)
    }

    @Test("a line says what the step's report does")
    func content() {
        let line = line(3, clipping: 0.5, validationLoss: 0.75)
        #expect(line.mse == (1.0 / 3 + 0.1) / 2 && line.vb == 1e-17 / 2 && line.loss == (1.0 / 3 + 0.1 + 1e-17) / 2)
        #expect(line.iterations == [3, 2] && line.clipping == 0.5 && line.validationLoss == 0.75)
        // The slowest rank's seconds, and samples by those of the whole step.
        #expect(line.computeSeconds == 0.2 && line.seconds == 0.25 && line.samplesPerSecond == 512)
    }

    @Test("lines are appended, and read back exactly")
    func append() throws {
        let folder = try TestFolder()
        #expect(try MetricsWriter.lines(run: folder.path).isEmpty)
        let lines = (1...5).map { line($0, mse: 1 / Double($0)) }
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

    @Test("lines of other versions stay as they are")
    func otherVersions() throws {
        let folder = try TestFolder()
        // Of an earlier version, with fewer keys; of a later one, with more, other order, spaces and numbers' forms.
        let old = #"{"loss":0.5,"step":1}"#
        let new = #"{ "step": 2, "loss": 5.0e-1, "energy": {"joules": [1, 2]}, "name": "é", "mse": "changed" }"#
        let later = #"{"step":3,"energy":1}"#
        try AtomicFile.write([old, new, later].map { $0 + "\n" }.joined(), to: folder("metrics.jsonl"))
        try write(folder.path, from: 2, [line(3)])
        let lines = try text(folder).split(separator: "\n").map(String.init)
        #expect(lines.count == 3 && lines.prefix(2) == [old, new])
        // What this version understands of it.
        #expect(try MetricsWriter.lines(run: folder.path) == [line(3)])
    }

    @Test("a skipped step has no loss, and says why")
    func skipped() throws {
        let folder = try TestFolder()
        let why = StepReport.Skipped(
            inARow: 1, ranks: [1], samples: [.init(position: 9, file: "data/x-00000-of-00002.h5", row: 7)])
        let lines = [line(1), line(2, mse: .infinity, skipped: why, validationLoss: .nan), line(3)]
        try write(folder.path, from: 0, lines)
        let text = try text(folder).split(separator: "\n")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(text[1].utf8)) as? [String: Any])
        for key in ["loss", "mse", "gradientNorm", "validationLoss", "clipping"] {
            #expect(object[key] == nil, "\(key)")
        }
        let told = try #require(object["skipped"] as? String)
        #expect(told == "\(why)" && told.contains("sample 7 of data/x-00000-of-00002.h5"))
        #expect(!text[0].contains("skipped") && !text[2].contains("skipped"))
        // They stay on a resume, and are read back.
        try write(folder.path, from: 3, [])
        #expect(try self.text(folder).split(separator: "\n") == text)
        #expect(try MetricsWriter.lines(run: folder.path) == lines)
    }

    @Test("a validation that was left out is added to the last line")
    func madeUp() throws {
        let folder = try TestFolder()
        try write(folder.path, from: 0, [line(1), line(2, validationLoss: 0.5), line(3), line(4)])
        #expect(try !MetricsWriter(run: folder.path, from: 2).lacksValidation(of: 2))
        try write(folder.path, from: 2, [line(3), line(4)])
        let writer = try MetricsWriter(run: folder.path, from: 3)
        #expect(writer.lacksValidation(of: 3) && !writer.lacksValidation(of: 4))
        try writer.makeUp(validationLoss: .infinity)
        #expect(try MetricsWriter.lines(run: folder.path).last == line(3))
        try writer.makeUp(validationLoss: 1e-7)
        try writer.append(line(4))
        #expect(
            try MetricsWriter.lines(run: folder.path)
                == [line(1), line(2, validationLoss: 0.5), line(3, validationLoss: 1e-7), line(4)])
        #expect(try !MetricsWriter(run: folder.path, from: 3).lacksValidation(of: 3))
    }

    @Test("a last line that was cut short is skipped, and gone after a resume", arguments: [1, 20, 60])
    func torn(_ missing: Int) throws {
        let folder = try TestFolder()
        try write(folder.path, from: 0, (1...3).map { line($0) })
        try damage(folder("metrics.jsonl")) { $0.removeLast(missing + 1) }
        #expect(try MetricsWriter.lines(run: folder.path) == [line(1), line(2)])
        try write(folder.path, from: 3, [line(4)])
        #expect(try MetricsWriter.lines(run: folder.path) == [line(1), line(2), line(4)])
        #expect(try text(folder).split(separator: "\n").count == 3)
    }

    @Test("what was lost of them is told, and what a crash cuts off is not")
    func lost() throws {
        let folder = try TestFolder()
        func loss(_ step: Int, due: Int?) throws -> String? {
            try MetricsWriter.loss(run: folder.path, from: step, due: due)
        }
        #expect(try loss(0, due: nil) == nil)
        #expect(try loss(4, due: 4)?.contains("of steps 1 to 4") == true)
        try write(folder.path, from: 0, (1...5).map { line($0) })
        #expect(try loss(4, due: 4) == nil && loss(5, due: 5) == nil)
        #expect(try loss(8, due: 8)?.hasSuffix("lines that are missing: those of steps 6 to 8") == true)
        #expect(try loss(8, due: nil) == nil)
        try damage(folder("metrics.jsonl")) { $0.removeLast(20) }
        #expect(try loss(4, due: 4) == nil)
        try damage(folder("metrics.jsonl")) { $0[0] = 0x78 }
        #expect(
            try loss(4, due: 4) == "\(folder("metrics.jsonl")): is not as this run wrote it; lines that are not "
                + "understood, and left out: 1")
    }

    @Test("lines are due from the latest start on, as often as the job says", arguments: [1, 3])
    func due(_ every: Int) throws {
        let folder = try TestFolder()
        var job = JobConfiguration()
        (job.run.directory, job.data.path, job.run.metricsEvery) = (folder.path, "data/x", every)
        let metadata = CheckpointMetadata(step: 8, jobYAML: job.yaml(), worldSize: 1, hosts: ["node"], version: "0.3")
        func loss() throws -> String? { try MetricsWriter.loss(run: folder.path, goingOnFrom: metadata) }
        // By an earlier version, which kept no record of starts.
        #expect(try loss() == nil)
        try Files.append(line: #"{"event": "start", "step": 4}"#, to: folder("runs.jsonl"))
        try Files.append(line: #"{"event": "end", "step": 9}"#, to: folder("runs.jsonl"))
        #expect(try loss()?.hasSuffix("of steps 1 to \(every == 1 ? 8 : 6)") == true)
        // Begun from another run's checkpoint, and stopped at once.
        try Files.append(line: #"{"event": "start", "step": 8}"#, to: folder("runs.jsonl"))
        #expect(try loss() == nil)
    }

    /// A small disk, where this process may mount one; elsewhere this shows nothing.
    @Test("lines for which a disk had no room come with the next that it takes")
    func full() throws {
        let folder = try TestFolder()
        guard try run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder.path]).status == 0 else { return }
        defer { _ = try? run(["umount", "-l", folder.path]) }
        let writer = try MetricsWriter(run: folder.path, from: 0)
        let lines = (1...30).map { line($0) }
        var refused = 0
        for line in lines {
            do {
                try writer.append(line)
            } catch let error as StorageError {
                refused += 1
                #expect(error.kind == .io && error.path == folder("metrics.jsonl"), "\(error)")
            }
        }
        #expect(refused > 0 && refused < 30)
        #expect(throws: StorageError.self) { try writer.writeWaiting() }
        #expect(try MetricsWriter.lines(run: folder.path).starts(with: lines.prefix(30 - refused)))
        _ = try run(["mount", "-o", "remount,size=64k", folder.path])
        try writer.writeWaiting()
        #expect(try MetricsWriter.lines(run: folder.path) == lines)
        try writer.append(line(31))
        #expect(try text(folder).split(separator: "\n").count == 31)
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
