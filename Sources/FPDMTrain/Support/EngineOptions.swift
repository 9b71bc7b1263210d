import ArgumentParser
import Compute
import Distributed

/// Options of commands that compute in one process.
struct EngineOptions: ParsableArguments {
    @Option(name: .long, help: "Threads; as many as this process has cores if not given.")
    var threads: Int?

    func validate() throws {
        guard let threads else { return }
        let limit = WorkerPool.threadsLimit
        guard limit ~= threads else {
            throw ValidationError("--threads must be from \(limit.lowerBound) to \(limit.upperBound), is \(threads)")
        }
    }

    func makeEngine() throws -> Engine { try Engine(threads: threads ?? ProcessorAffinity.coreCount) }
}
