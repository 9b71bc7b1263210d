import Distributed
import Foundation
import Glibc
import Logging
import Reporting

/// The terminal, and the end of the program.
enum Console {
    /// Whether a person watches standard error.
    static let isTerminal = isatty(STDERR_FILENO) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"

    static func error(_ message: String) { StandardError().write("fpdm: error: \(message)\n") }

    /// Ends the process with its result: `code`, or 74 where what was printed has not arrived.
    static func exit(_ code: Int32) -> Never {
        guard let failure = StandardOutput.firstFailure() else { leave(code) }
        // Whoever closed a pipe has read enough and knows it, as in `| head`.
        if failure != EPIPE {
            let reason = failure == EBADF ? "it is closed" : String(cString: strerror(failure))
            error("standard output cannot be written: \(reason); send it to a file or pipe that takes all of it")
        }
        leave(Failure.Status.io.rawValue)
    }

    /// Ends the process, together with the other ranks where MPI runs, after an error that has been told.
    static func leave(_ code: Int32) -> Never {
        if let runtime = Session.runtime { runtime.exit(code: code) }
        fflush(nil)
        Glibc.exit(code)
    }

    /// Ends the process while MPI does not run. Usually all ranks have the same to say, and rank 0 says it. The others
    /// give it time: at the first exit with an error the launcher ends all, rank 0 perhaps before it has spoken. One
    /// that is still there after that has something to say of its own, unless the trouble is known to be `shared`:
    /// not every launcher ends the others.
    static func exitBeforeMPI(_ code: Int32, shared: Bool = false, _ speak: () -> Void) -> Never {
        let isFirst = LauncherEnvironment.rank == 0
        if !isFirst, code != 0 { sleep(5) }
        if isFirst || (code != 0 && !shared) { speak() }
        if code == 0 { exit(code) } else { leave(code) }
    }

    /// Notes beside the results, on standard error.
    static let log: Logger = {
        var logger = Logger(label: "fpdm") { StreamLogHandler(label: $0, stream: StandardError()) }
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
    /// Whether MPI does not know the launcher, which every rank has found alike.
    nonisolated(unsafe) private(set) static var isRefused = false

    static func start() throws -> MPIRuntime {
        do {
            let started = try MPIRuntime.start()
            runtime = started
            return started
        } catch let error as UnknownLauncher {
            // Where no variable tells the number of ranks, rank 0 takes itself for the only one and has not noticed.
            isRefused = LauncherEnvironment.current.isSizeTold
            throw error
        }
    }

    /// Refuses to run as several ranks.
    static func requireOneProcess(_ command: String) throws {
        guard LauncherEnvironment.size > 1 else { return }
        throw Failure(.usage, "fpdm \(command) is one process: run it without mpirun; --threads sets its threads")
    }
}
