import Distributed
import Foundation
import Glibc
import Logging
import Reporting

/// The terminal, and the end of the program.
enum Console {
    /// Whether a person watches standard error.
    static let isTerminal = isatty(STDERR_FILENO) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"

    static func error(_ message: String) { FileHandle.standardError.write(Data("fpdm: error: \(message)\n".utf8)) }

    /// Ends the process; together with the other ranks where MPI runs.
    static func exit(_ code: Int32) -> Never {
        if let runtime = Session.runtime { runtime.exit(code: code) }
        fflush(nil)
        Glibc.exit(code)
    }

    /// Ends the process before MPI has started. Usually all ranks have the same to say, and rank 0 says it. The others
    /// give it time: at the first exit with an error the launcher ends all, rank 0 perhaps before it has spoken. One
    /// that is still there after that has something to say of its own.
    static func exitBeforeMPI(_ code: Int32, _ speak: () -> Void) -> Never {
        if LauncherEnvironment.rank > 0, code != 0 { sleep(5) }
        if LauncherEnvironment.rank == 0 || code != 0 { speak() }
        exit(code)
    }

    /// Notes beside the results, on standard error.
    static let log: Logger = {
        var logger = Logger(label: "fpdm") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .notice
        return logger
    }()

    /// Prints a value as JSON, and nothing else.
    static func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}

/// MPI, once it has been started.
enum Session {
    nonisolated(unsafe) private(set) static var runtime: MPIRuntime?

    static func start() throws -> MPIRuntime {
        let started = try MPIRuntime.start()
        runtime = started
        return started
    }

    /// Refuses to run as several ranks.
    static func requireOneProcess(_ command: String) throws {
        guard LauncherEnvironment.size > 1 else { return }
        throw Failure(.usage, "fpdm \(command) is one process: run it without mpirun; --threads sets its threads")
    }
}
