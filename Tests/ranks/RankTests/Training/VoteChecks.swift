import Distributed
import Glibc
import Reporting
import Training

private let positions = 24
private let virtualRanks = 8
private let tensors = 3

private func vote(_ world: Communicator) -> StepVote {
    StepVote(world, positions: positions, virtualRanks: virtualRanks, tensors: tensors, blocks: 2 * world.size)
}

/// What a rank brings: positions and two blocks of its own, and its largest values.
private func ballot(_ world: Communicator) -> StepVote.Ballot {
    var ballot = StepVote.Ballot()
    for position in 0..<positions where position % world.size == world.rank {
        // Negative, tiny and zero losses survive a maximum too.
        ballot.losses.append((position, mse(position), vb(position)))
    }
    ballot.maxima = (0..<tensors).map { Float(10 * $0 + (world.rank == world.size / 2 ? 9 : world.rank % 5)) }
    ballot.squares = [0.1 * Double(world.rank + 1), 1e-30]
    ballot.firstBlock = 2 * world.rank
    ballot.computeSeconds = Double(world.rank) + 0.5
    return ballot
}

private func mse(_ position: Int) -> Double { position % 5 == 0 ? 0 : -0.3 * Double(position) }
private func vb(_ position: Int) -> Double { 1e-300 * Double(position) }

private struct Broken: Error, CustomStringConvertible {
    let description: String
}

func voteChecks() -> [Check] {
    [
        Check("a step begins: all ranks succeed, and have each their own") { world in
            try expect(vote(world).open { world.rank * 3 }.0, equals: world.rank * 3)
        },
        Check("a step begins: all ranks learn how long the slowest took") { world in
            let seconds = try vote(world).open { if world.rank == world.size - 1 { usleep(50_000) } }.seconds
            try expect(seconds >= 0.05, equals: true)
            try expect(try world.allGather([seconds]).allSatisfy { $0 == [seconds] }, equals: true)
        },
        Check("a step begins: one rank fails") { world in
            let hosts = try world.allGather(world.hostName)
            for failing in 0..<world.size {
                let failure = try expectError(RankFailure.self) {
                    _ = try vote(world).open {
                        if world.rank == failing { throw Failure(.badData, "part \(failing) is broken") }
                    }
                }
                let expected = RankFailure(
                    rank: failing, host: hosts[failing], code: 65, message: "part \(failing) is broken")
                try expect(failure, equals: expected)
            }
        },
        Check("a step begins: several ranks fail, and all throw the lowest one's failure") { world in
            let lowest = world.size / 2
            let failure = try expectError(RankFailure.self) {
                _ = try vote(world).open { if world.rank >= lowest { throw Broken(description: "of \(world.rank)") } }
            }
            try expect(failure.rank, equals: lowest)
            try expect(failure.message, equals: "of \(lowest)")
        },
        Check("a step begins: a failure of ranks keeps its rank") { world in
            let original = RankFailure(rank: 77, host: "far", code: 74, message: "disk full")
            let failure = try expectError(RankFailure.self) {
                _ = try vote(world).open { if world.rank == world.size - 1 { throw original } }
            }
            try expect(failure, equals: original)
        },
        Check("a step ends: every rank has every value, to the bit") { world in
            let vote = vote(world)
            // Twice over: nothing of the vote before is left.
            for _ in 0..<2 {
                let outcome = vote.close(ballot(world))
                try expect(outcome.mse, equals: (0..<positions).map(mse))
                try expect(outcome.vb, equals: (0..<positions).map(vb))
                try expect(outcome.maxima, equals: (0..<tensors).map { Float(10 * $0 + 9) })
                try expect(outcome.computeSeconds, equals: (0..<world.size).map { Double($0) + 0.5 })
                let squares = (0..<world.size).flatMap { [0.1 * Double($0 + 1), 1e-30] }
                try expect(outcome.gradientNorm, equals: squares.reduce(0, +).squareRoot())
                try expect(outcome.nonFiniteVirtualRanks, equals: [])
                try expect(outcome.isFinite, equals: true)
                try expect(outcome.wish, equals: nil)
                try expect(outcome.senders, equals: [])
                try expect(outcome.isDropped, equals: false)
            }
        },
        Check("a step ends: what one rank finds not finite, all hear of") { world in
            let vote = vote(world)
            let last = world.size - 1
            for value in [Double.nan, .infinity, -.infinity] {
                var own = ballot(world)
                if world.rank == last { own.losses[0].mse = value }
                let outcome = vote.close(own)
                try expect(outcome.isFinite, equals: false)
                try expect(outcome.nonFinitePositions, equals: [last])
            }
            var own = ballot(world)
            if world.rank == last { own.nonFiniteVirtualRanks = [6, 2] }
            let outcome = vote.close(own)
            try expect(outcome.isFinite, equals: false)
            try expect(outcome.nonFiniteVirtualRanks, equals: [2, 6])
            try expect(outcome.nonFinitePositions, equals: [])
            own = ballot(world)
            if world.rank == last { own.maxima[1] = .nan }
            try expect(vote.close(own).isFinite, equals: false)
            own = ballot(world)
            if world.rank == last { own.squares[0] = .nan }
            try expect(vote.close(own).isFinite, equals: false)
            // And the next step is none the worse for it.
            try expect(vote.close(ballot(world)).isFinite, equals: true)
        },
        Check("a step ends: all hear how far the last rank is with what it writes") { world in
            let vote = vote(world)
            func together(_ own: StepVote.Saving) throws -> StepVote.Saving {
                var ballot = ballot(world)
                ballot.saving = own
                let outcome = vote.close(ballot).saving
                try expect(own.together(world), equals: outcome)
                return outcome
            }
            try expect(together(.done), equals: .done)
            try expect(together(.failed(rank: world.rank)), equals: .failed(rank: 0))
            for odd in 0..<world.size {
                let isOdd = world.rank == odd
                try expect(together(isOdd ? .busy : .done), equals: .busy)
                try expect(together(isOdd ? .failed(rank: odd) : .done), equals: .failed(rank: odd))
                // Who has failed is told once nobody writes any more.
                let other = (odd + 1) % world.size
                let own = world.rank == other ? StepVote.Saving.busy : isOdd ? .failed(rank: odd) : .done
                try expect(together(own), equals: .busy)
            }
        },
        Check("a step ends: one rank's wish to stop is heard by all") { world in
            let vote = vote(world)
            for wishing in 0..<world.size {
                var own = ballot(world)
                if world.rank == wishing {
                    own.wish = StopWish(rank: wishing, cause: .signal(SIGTERM))
                    own.hasSentWish = true
                    own.isDropped = wishing % 2 == 1
                }
                let outcome = vote.close(own)
                try expect(outcome.wish, equals: StopWish(rank: wishing, cause: .signal(SIGTERM)))
                try expect(outcome.senders, equals: [wishing])
                try expect(outcome.isDropped, equals: wishing % 2 == 1)
            }
            // Of several the lowest rank's, whatever the cause.
            var own = ballot(world)
            let first = world.size / 2
            let cause = StopWish.Cause.signal(world.rank == first ? SIGHUP : SIGUSR2)
            if world.rank >= first { own.wish = StopWish(rank: world.rank, cause: cause) }
            try expect(vote.close(own).wish, equals: StopWish(rank: first, cause: .signal(SIGHUP)))
        },
        Check("a wish to stop interrupts the others, and no message is left") { world in
            // Any set of ranks, and each at its own time.
            let last = world.size - 1
            for senders in [[], [0], [last], Array(0...last), Array(stride(from: 0, through: last, by: 2))] {
                let channel = try StopChannel(world)
                let isSender = senders.contains(world.rank)
                if isSender { channel.send() }
                let isTold = senders.contains { $0 != world.rank }
                while isTold && !channel.isHeard { channel.listen() }
                try world.barrier()
                channel.listen()
                try expect(channel.isHeard, equals: isTold)
                try expect(channel.hasSent, equals: isSender)
                if senders.count == 1 { channel.settle(senders: senders) } else { channel.settle() }
                // Too late for this step: nobody would take it in.
                channel.send()
                try expect(channel.hasSent, equals: isSender)
                try world.barrier()
            }
        },
    ]
}
