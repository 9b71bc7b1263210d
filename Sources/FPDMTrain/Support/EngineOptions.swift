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

    @Option(name: .long, help: "Who multiplies matrices: onednn or openblas; auto takes oneDNN where it is installed.")
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
        let backend = try gemm.load()
        let precision = Precision(rawValue: precision) ?? (backend.prefersBFloat16 ? .bf16 : .float32)
        return try Engine(threads: threads ?? own ?? ProcessorAffinity.coreCount, backend, precision)
    }
}

extension MatrixLibrary: ExpressibleByArgument {}
