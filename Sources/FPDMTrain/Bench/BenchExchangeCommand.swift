import ArgumentParser
import Compute
import Distributed
import Evaluation
import Reporting

extension BenchCommand {
    /// `fpdm bench exchange`
    struct Exchange: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "exchange",
            abstract: "Measure how long ranks take to exchange gradients and weights.",
            discussion: """
                mpirun -n 2 fpdm bench exchange

                Beside it, in turn, MPI's own reduce-scatter of doubles and all-gather of floats, which move the same \
                bytes. Medians of the slowest rank's seconds.
                """)

        @Option(name: .long, help: "Millions of parameters; may be repeated.")
        var millions: [Int] = [10, 90]

        @Option(name: .long, help: "Rounds of each.")
        var rounds = 20

        @Flag(name: .long, help: "Print JSON.")
        var json = false

        func validate() throws {
            if millions.contains(where: { !(1...2000 ~= $0) }) { throw ValidationError("--millions: from 1 to 2000") }
            if !(1...10_000 ~= rounds) { throw ValidationError("--rounds: from 1 to 10000") }
        }

        func run() throws {
            let runtime = try Session.start()
            let world = runtime.world
            try world.agree {
                guard world.size == 1 else { return }
                throw Failure(.usage, "fpdm bench exchange needs 2 or more ranks: mpirun -n 2 fpdm bench exchange")
            }
            let engine = try Engine(threads: runtime.nodeLocal.threadsPerRank())
            let bench = ExchangeBench(world, engine, rounds: rounds)
            var lines: [ExchangeBench.Line] = []
            for size in millions {
                let line = try bench.run(parameters: size * 1_000_000)
                lines.append(line)
                guard world.rank == 0, !json else { continue }
                // What a rank sends: doubles of the others' slices, and floats of its own to the others.
                let sent = Double(line.parameters) * 12 * Double(world.size - 1) / Double(world.size)
                print(
                    "\(size) million parameters, \(world.size) ranks: \(significant(1000 * line.seconds, 4)) ms "
                        + "(\(significant(sent * 8 / line.seconds / 1e9, 3)) Gbit/s a rank), bare collectives "
                        + "\(significant(1000 * line.bareSeconds, 4)) ms: \(significant(line.seconds / line.bareSeconds, 3)) times"
                )
            }
            if json, world.rank == 0 { try Console.printJSON(lines) }
            Console.exit(0)
        }
    }
}
