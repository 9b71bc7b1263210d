import ArgumentParser
import Distributed
import Reporting

// Every rank of a launched job runs this: before MPI starts, rank 0 of the launcher speaks for all.
do {
    var command = try FPDM.parseAsRoot()
    try command.run()
} catch let code as ExitCode {
    Console.exit(code.rawValue)
} catch let error as RankFailure {
    // Every rank holds the same failure.
    if LauncherEnvironment.rank == 0 { Console.error(LauncherEnvironment.size > 1 ? "\(error)" : error.message) }
    Console.exit(error.code)
} catch {
    let parsing = FPDM.exitCode(for: error)
    let isParsing = parsing == .success || parsing == .validationFailure
    if isParsing {
        // Help and usage errors, in the parser's words.
        Console.exitBeforeMPI(parsing.rawValue) { FPDM.exit(withError: error) }
    }
    let (code, message) = Failure.describe(error)
    if let runtime = Session.runtime {
        // Not agreed on, so the other ranks do not know: they cannot be met any more, only ended.
        Console.error("rank \(runtime.world.rank) on \(runtime.hostName): \(message)")
        runtime.world.abort(code: code)
    }
    Console.exitBeforeMPI(code) { Console.error(message) }
}
