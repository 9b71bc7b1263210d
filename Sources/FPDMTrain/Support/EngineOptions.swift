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

    /// - Parameters:
    ///   - own: threads if none are given; all cores of this process if nil.
    ///   - other: in place of the library that is given.
    func makeEngine(threads own: Int? = nil, gemm other: MatrixLibrary? = nil) throws -> Engine {
        let library = other ?? gemm
        return try Engine(
            threads: threads ?? own ?? ProcessorAffinity.coreCount, library: library,
            precision: Precision(rawValue: precision) ?? library.fasterPrecision)
    }
}

extension MatrixLibrary: ExpressibleByArgument {}
