import Distributed
import Glibc

/// Checks under mpirun of what several ranks do together, `Distributed` and `Training`: `rank-tests [fail RANK | die RANK | abort RANK | flips COUNT SEED |
/// forget]`.
///
/// Without arguments: all checks, then `N passed, N failed` from rank 0 and exit code 1 if any failed. The
/// others end as their name says, so that a script can look at what the launcher makes of it.
@main
struct RankTests {
    static func main() {
        do {
            let runtime = try MPIRuntime.start()
            do {
                runtime.exit(code: try run(Array(CommandLine.arguments.dropFirst()), runtime))
            } catch let failure as RankFailure {
                if runtime.world.rank == 0 { print("\(failure)") }
                runtime.exit(code: failure.code)
            }
        } catch {
            print("\(error)")
            exit(error is UnknownLauncher ? 64 : 70)
        }
    }

    private static func run(_ arguments: [String], _ runtime: MPIRuntime) throws -> Int32 {
        let world = runtime.world
        guard let mode = arguments.first else {
            let checks =
                groupChecks() + runtimeChecks(runtime) + collectiveChecks() + sliceChecks() + messageChecks()
                + exchangeChecks() + voteChecks() + stateChecks() + weightChecks() + saveChecks() + feedChecks()
            let failed = try runChecks(checks, on: world)
            if world.rank == 0 { print("\(checks.count - failed) passed, \(failed) failed") }
            return failed == 0 ? 0 : 1
        }
        let isChosen = arguments.count > 1 && Int(arguments[1]) == world.rank
        switch mode {
        case "fail":
            // The contract: all ranks learn of it, end MPI in good order and exit with the same code.
            try world.agree(on: isChosen ? world.failure(code: 65, message: "bad data") : nil)
            return 0
        case "die":
            if isChosen { exit(65) }
            try world.barrier()
            return 0
        case "abort":
            if isChosen { world.abort(code: 65) }
            try world.barrier()
            return 0
        case "flips":
            try world.agree { try flipWeights(Int(arguments[1])!, seed: UInt64(arguments[2])!, world) }
            return 0
        case "forget":
            _ = try world.iReceive(MPIBuffer<Int32>(repeating: 0, count: 1), from: world.rank)
            return 0
        default:
            print("usage: rank-tests [fail RANK | die RANK | abort RANK | flips COUNT SEED | forget]")
            return 64
        }
    }
}
