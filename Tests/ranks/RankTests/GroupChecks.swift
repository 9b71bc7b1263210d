import Distributed
import Reporting

private struct Broken: Reportable {
    let rank: Int

    var exitCode: Int32 { Int32(60 + rank) }
    var description: String { "part \(rank) is broken" }
}

func groupChecks() -> [Check] {
    [
        Check("a world is numbered as the launcher said") { world in
            try expect(world.rank, equals: LauncherEnvironment.rank)
            try expect(world.size, equals: LauncherEnvironment.size)
        },
        Check("all succeed: agree gives each its own value") { world in
            try expect(world.agree { world.rank * 2 }, equals: world.rank * 2)
            try world.agree(on: nil)
        },
        Check("one rank fails: all throw its failure") { world in
            let hosts = try world.allGather(world.hostName)
            for failing in 0..<world.size {
                let failure = try expectError(RankFailure.self) {
                    try world.agree { if world.rank == failing { throw Broken(rank: failing) } }
                }
                try expect(failure.rank, equals: failing)
                try expect(failure.code, equals: Int32(60 + failing))
                try expect(failure.message, equals: "part \(failing) is broken")
                try expect(failure.host, equals: hosts[failing])
            }
        },
        Check("several ranks fail: all throw the lowest one's failure") { world in
            let failing = world.size / 2
            let failure = try expectError(RankFailure.self) {
                try world.agree { if world.rank >= failing { throw Broken(rank: world.rank) } }
            }
            try expect(failure.rank, equals: failing)
        },
        Check("agreements inside agreements keep the failing rank") { world in
            let failing = world.size - 1
            let failure = try expectError(RankFailure.self) {
                try world.agree {
                    try world.agree { if world.rank == failing { throw Broken(rank: failing) } }
                }
            }
            try expect(failure.rank, equals: failing)
            try expect(failure.code, equals: Int32(60 + failing))
        },
        Check("the form for every step") { world in
            let last = world.size - 1
            let host = try world.allGather(world.hostName)[last]
            let own = world.rank == last ? world.failure(code: 74, message: "disk full") : nil
            let failure = try expectError(RankFailure.self) { try world.agree(on: own) }
            try expect(failure, equals: RankFailure(rank: last, host: host, code: 74, message: "disk full"))
        },
        Check("a failure with code 0 is a failure all the same") { world in
            let failure = try expectError(RankFailure.self) { try world.agree(on: world.failure(code: 0, message: "")) }
            try expect(failure.code, equals: 1)
        },
    ]
}

/// Checks that need the runtime besides the world.
func runtimeChecks(_ runtime: MPIRuntime) -> [Check] {
    [
        Check("MPI starts only once") { _ in
            let error = try expectError(MPIError.self) { _ = try MPIRuntime.start() }
            try expect(error.operation, equals: "MPI_Init_thread")
        },
        Check("the ranks of this node are those with its name") { world in
            let names = try world.allGather(runtime.hostName)
            try expect(runtime.nodeLocal.size, equals: names.filter { $0 == runtime.hostName }.count)
            try expect(runtime.nodeLocal.rank, equals: names[..<world.rank].filter { $0 == runtime.hostName }.count)
        },
        Check("threads: masks are shared out") { world in
            let node = runtime.nodeLocal
            try expect(node.threadsPerRank(mask: Array(0..<12)), equals: max(1, 12 / node.size))
            try expect(node.threadsPerRank(mask: [2 * node.rank, 2 * node.rank + 1]), equals: 2)
            try expect(node.threadsPerRank() >= 1, equals: true)
        },
    ]
}
