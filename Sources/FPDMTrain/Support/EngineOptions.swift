import ArgumentParser
import Compute
import Distributed

/// Options of commands that compute in one process.
struct EngineOptions: ParsableArguments {
    @Option(name: .long, help: "Threads; as many as this process has cores if not given.")
    var threads: Int?

    @Option(
        name: .long,
        help: "What products multiply: float32 or bf16 (with sums in float32), or auto, the faster one here.")
    var precision = "float32"

    @Option(
        name: .long,
        help: """
            Who multiplies matrices: native (own kernels), onednn or openblas (float32 only); auto takes the fastest that
            the processor and what is installed allow.
            """)
    var gemm = MatrixLibrary.auto

    func validate() throws {
        guard precision == "auto" || Precision(rawValue: precision) != nil else {
            throw ValidationError("--precision must be float32, bf16 or auto, is '\(precision)'")
        }
        guard let threads else { return }
        let limit = WorkerPool.threadsLimit
        guard limit ~= threads else {
            throw ValidationError("--threads must be from \(limit.lowerBound) to \(limit.upperBound), is \(threads)")
        }
    }

    /// - Parameter own: threads if none are given; all cores of this process if nil.
    func makeEngine(threads own: Int? = nil) throws -> Engine {
        try Engine(
            threads: threads ?? own ?? ProcessorAffinity.coreCount, library: gemm,
            precision: Precision(rawValue: precision) ?? gemm.fasterPrecision)
    }

    /// What an engine is measured beside: with as many threads; of its precision, where the opponent has none of its own; by
    /// the library that was asked for, where it names none.
    func makeEngine(_ opponent: BenchOpponent, beside engine: Engine) throws -> Engine {
        try Engine(
            threads: engine.pool.threadCount, library: opponent.library ?? gemm,
            precision: opponent.precision ?? engine.precision)
    }
}

/// What a benchmark is measured beside: another library, precision, or both.
struct BenchOpponent: ExpressibleByArgument {
    var library: MatrixLibrary?
    var precision: Precision?

    init?(argument: String) {
        for part in argument.split(separator: ":", omittingEmptySubsequences: false).map(String.init) {
            if library == nil, let found = MatrixLibrary(rawValue: part), found != .auto {
                library = found
            } else if precision == nil, let found = Precision(rawValue: part) {
                precision = found
            } else {
                return nil
            }
        }
    }
}

extension MatrixLibrary: ExpressibleByArgument {}
