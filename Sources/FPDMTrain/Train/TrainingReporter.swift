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
                + "\(run.engine.matrix.name); batch \(job.training.globalBatch) in \(job.training.virtualRanks) "
                + "virtual ranks, activations: \(job.training.activations?.rawValue ?? "auto")")
        let memory = run.trainer.memory.map { "\($0.name) \($0.bytes >> 20) MiB" }.joined(separator: ", ")
        line.note("memory of a rank: \(memory)")
        if run.firstStep > 0 { line.note("going on from step \(run.firstStep)") }
    }

    func note(_ message: String) {
        guard speaks else { return }
        line.clear()
        Console.log.notice("\(message)")
    }

    func stepped(_ report: Trainer.StepReport, seconds: Double) {
        guard speaks, let job = run?.job else { return }
        if recent.count == Self.window { recent.removeFirst() }
        recent.append(seconds)
        let pace = recent.reduce(0, +) / Double(recent.count)
        let left = pace * Double(job.training.steps - report.step)
        let rate = Double(job.training.globalBatch) / pace
        line.show(
            "step \(report.step)/\(job.training.steps)  loss \(String(format: "%.4f", report.loss))  "
                + "gradient \(significant(report.gradientNorm, 3))  \(significant(rate, 3)) samples/s  "
                + "\(readable(seconds: left)) left",
            plain: report.step % max(job.run.logEvery, 1) == 0 || report.step == job.training.steps)
    }

    func saved(_ checkpoint: String, seconds: Double) {
        guard speaks else { return }
        line.note("saved \(checkpoint) in \(String(format: "%.2f", seconds)) s")
    }
}
