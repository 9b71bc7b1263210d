import ArgumentParser
import Compute
import Distributed

/// Options of commands that compute in one process.
struct EngineOptions: ParsableArguments {
    @Option(name: .long, help: "Threads; as many as this process has cores if not given.")
    var threads: Int?

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads must be at least 1, is \(threads)") }
    }

    func makeEngine() throws -> Engine { try Engine(threads: threads ?? ProcessorAffinity.coreCount) }
}
