import ArgumentParser
import Evaluation
import Foundation
import Model
import Reporting
import Storage

/// `fpdm selfcheck`
struct SelfcheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selfcheck",
        abstract: "Put reference cases to this build on this machine.",
        discussion: """
            fpdm selfcheck Tests/reference/*.h5

            Computes what an independent implementation computed in double precision, through the kernels, \
            threads and precision that training uses, and prints the relative error of each quantity. Exits with 65 \
            if any is too large: run it once on a new cluster.
            """)

    @Argument(help: "Reference cases.", completion: .file(extensions: ["h5"]))
    var cases: [String]

    @Option(name: .long, help: "How the backward pass gets at its activations: keep or recompute.")
    var activations = ActivationMode.keep

    @Flag(name: .shortAndLong, help: "Print every quantity, not only each case's worst.")
    var verbose = false

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    @OptionGroup var engine: EngineOptions

    func run() throws {
        try Session.requireOneProcess("selfcheck")
        let engine = try engine.makeEngine()
        let check = Selfcheck(engine: engine, activations: activations)
        if !json {
            print("\(engine.nameWithConvolutions), \(engine.pool.threadCount) threads, \(engine.precision.rawValue)")
        }
        var reports: [Selfcheck.Report] = []
        for path in cases {
            let report = try self.report(check, path)
            reports.append(report)
            if !json { show(report) }
        }
        if json { try Console.printJSON(reports) }
        let failed = reports.filter { !$0.passes }.count
        if !json { print("\(reports.count - failed) passed, \(failed) failed") }
        if failed > 0 { throw ExitCode(Failure.Status.badData.rawValue) }
    }

    /// A case that is none fails, and does not keep the others from being checked; a file that is not there is an error.
    private func report(_ check: Selfcheck, _ path: String) throws -> Selfcheck.Report {
        guard try Files.exists(path) else {
            throw StorageError(.missing, path, "there is no such file; check the path")
        }
        do {
            return try check.run(path)
        } catch {
            return Selfcheck.Report(path: path, kind: "not checked", problem: Failure.describe(error).message)
        }
    }

    private func show(_ report: Selfcheck.Report) {
        print(
            "\(report.passes ? "pass" : "FAIL")  \(report.path) (\(report.kind), \(report.comparisons.count) quantities)"
        )
        if let problem = report.problem { print("      \(problem)") }
        let ranked = report.comparisons.sorted { badness($0) > badness($1) }
        for comparison in verbose
            ? report.comparisons : ranked.filter({ !$0.passes }) + ranked.prefix(1).filter(\.passes)
        {
            print(
                "      \(comparison.passes ? "    " : "FAIL") \(comparison.quantity): "
                    + "\(String(format: "%.2e", comparison.error)) \(comparison.measure.rawValue), "
                    + "allowed \(String(format: "%.0e", comparison.tolerance))")
        }
    }

    private func badness(_ comparison: Comparison) -> Double {
        comparison.error.isNaN ? .infinity : comparison.error / max(comparison.tolerance, 1e-300)
    }
}

extension ActivationMode: ExpressibleByArgument {}
