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
            Who multiplies matrices: native (own kernels, float32), onednn or openblas; auto takes the fastest that the
            processor and what is installed allow.
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

    /// One with as many threads and of the precision of another.
    func makeEngine(_ library: MatrixLibrary, beside engine: Engine) throws -> Engine {
        try Engine(threads: engine.pool.threadCount, library: library, precision: engine.precision)
    }
}

extension MatrixLibrary: ExpressibleByArgument {}
