import Evaluation
import Compute
import Model
typealias ActivationModeAlias = ActivationMode
let engine = try Engine(threads: 2)
print(engine.matrix.name)
for path in CommandLine.arguments.dropFirst() {
    for a in [ActivationModeAlias.keep, .recompute] {
    do {
        let report = try Selfcheck(engine: engine, activations: a).run(path)
        print(report.passes ? "pass" : "FAIL", path)
        let worst = report.comparisons.sorted { $0.error / max($0.tolerance, 1e-30) > $1.error / max($1.tolerance, 1e-30) }
        for c in worst.prefix(report.passes ? 3 : 12) { print("   ", c.quantity, c.measure, c.error, c.tolerance) }
    } catch { print("ERROR", path, error) }
    }
}
