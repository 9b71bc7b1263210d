import ArgumentParser
import Distributed
import Reporting

StandardStreams.prepare()
// Every rank of a launched job runs this: before MPI starts, rank 0 of the launcher speaks for all.
do {
    var command = try FPDM.parseAsRoot()
    try command.run()
    Console.exit(0)
} catch let code as ExitCode {
    Console.exit(code.rawValue)
} catch let error as RankFailure {
    // Every rank holds the same failure.
    if LauncherEnvironment.rank == 0 { Console.error(LauncherEnvironment.size > 1 ? "\(error)" : error.message) }
    Console.leave(error.code)
} catch {
    switch FPDM.exitCode(for: error) {
    // Help and usage errors, in the parser's words.
    case .success: Console.exitBeforeMPI(0) { print(FPDM.fullMessage(for: error)) }
    case .validationFailure:
        Console.exitBeforeMPI(ExitCode.validationFailure.rawValue) {
            StandardError().write(FPDM.fullMessage(for: error) + "\n")
        }
    default: break
    }
    let (code, message) = Failure.describe(error)
    if let runtime = Session.runtime {
        // Not agreed on, so the other ranks do not know: they cannot be met any more, only ended.
        Console.error("rank \(runtime.world.rank) on \(runtime.hostName): \(message)")
        runtime.world.abort(code: code)
    }
    Console.exitBeforeMPI(code, shared: Session.isRefused) { Console.error(message) }
}
