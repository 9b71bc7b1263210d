import Distributed
import Foundation
import Training

/// Tells a person how training goes: rank 0 speaks, the others listen.
final class TrainingReporter: TrainingRun.Observer {
    private let speaks: Bool
    private let line = ProgressLine()
    private var run: TrainingRun?
    /// Seconds of the latest steps, so that the time left follows the present pace.
    private var recent: [Double] = []
    private static let window = 50
    /// Of all steps so far: seconds, and those of them that were spent waiting for samples.
    private var (seconds, waited) = (0.0, 0.0)

    init(speaks: Bool) { self.speaks = speaks }

    func began(_ run: TrainingRun) {
        self.run = run
        guard speaks else { return }
        let job = run.job
        let table = run.trainer.state.table
        let ranks = run.runtime.world.size
        let kind = job.model.fixedPoint ? "FPDM" : "DiT"
        line.note(
            "\(kind), \(significant(Double(table.trainableCount) / 1e6)) million parameters; \(ranks) rank\(ranks == 1 ? "" : "s") x "
                + "\(run.engine.pool.threadCount) thread\(run.engine.pool.threadCount == 1 ? "" : "s"), "
                + "\(run.engine.name), \(job.precision.rawValue); batch \(job.training.globalBatch) in \(job.training.virtualRanks) "
                + "virtual ranks, activations: \(job.activations.rawValue)")
        line.note("memory of a rank: \(run.memory.description)")
        if run.firstStep > 0 { line.note("going on from step \(run.firstStep)") }
    }

    func note(_ message: String) {
        guard speaks else { return }
        line.clear()
        Console.log.notice("\(message)")
    }

    func stepped(_ report: StepReport, validationLoss: Double?, seconds: Double) {
        guard speaks, let job = run?.job else { return }
        if recent.count == Self.window { recent.removeFirst() }
        recent.append(seconds)
        self.seconds += seconds
        waited += report.waitSeconds
        let pace = recent.reduce(0, +) / Double(recent.count)
        let left = pace * Double(job.training.steps - report.step)
        let rate = Double(job.training.globalBatch) / pace
        for repair in report.repairs { line.note("step \(report.step): \(repair)") }
        if let skipped = report.skipped {
            line.note(
                "step \(report.step): skipped, because \(skipped) (\(skipped.inARow) in a row; at most "
                    + "\(job.training.maxSkippedSteps))")
        }
        line.show(
            "step \(report.step)/\(job.training.steps)  loss \(String(format: "%.4f", report.loss))  "
                + "gradient \(significant(report.gradientNorm, 3))  \(significant(rate, 3)) samples/s  "
                + "\(readable(seconds: left)) left",
            plain: report.step % max(job.run.logEvery, 1) == 0 || report.step == job.training.steps)
        if let validationLoss {
            line.note("step \(report.step): validation loss \(String(format: "%.4f", validationLoss))")
        }
    }

    /// Last words of a run that came to its end.
    func ended() {
        guard speaks, let run else { return }
        if seconds > 0 {
            line.note("waiting for samples: \(significant(100 * waited / seconds, 2)) % of the steps' time")
        }
        line.note("memory of rank 0: planned \(run.memory.bytes >> 20) MiB, peak \(ProcessMemory.peak >> 20) MiB")
    }

    func saved(_ report: SaveReport) {
        guard speaks else { return }
        let times = [report.writeSeconds, report.stallSeconds].map { String(format: "%.2f", $0) }
        line.note("saved \(report.path) in \(times[0]) s; training stood still for \(times[1]) s")
        for path in report.removed { line.note("deleted \(path)") }
        for trouble in report.troubles { note("an earlier checkpoint was not deleted: \(trouble)") }
    }
}
