import ArgumentParser
import Evaluation
import Foundation

/// `fpdm bench`
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure how fast this machine is.",
        subcommands: [Kernels.self, Step.self, Sample.self, VAE.self, Exchange.self, IO.self])

    /// `fpdm bench kernels`
    struct Kernels: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "kernels",
            abstract: "Measure the kernels, as training calls them.",
            discussion: """
                The first line is what the processor's multipliers can do at most. The fastest repetition of each \
                kernel counts; on a machine that is busy with other things even that is too slow.
                """)

        @Option(name: .long, help: "Seconds spent on each kernel.")
        var seconds = 0.5

        @Flag(name: .long, help: "Print JSON.")
        var json = false

        @OptionGroup var engine: EngineOptions

        func validate() throws {
            // Written so that a NaN is refused.
            guard seconds >= 0, seconds.isFinite else { throw ValidationError("--seconds must be 0 or more") }
        }

        func run() throws {
            try Session.requireOneProcess("bench kernels")
            let engine = try engine.makeEngine()
            var lines: [KernelBench.Line] = []
            if !json {
                print("\(engine.name), \(counted(engine.pool.threadCount, "thread")), \(engine.precision.rawValue)")
            }
            KernelBench(engine: engine, seconds: seconds).run { line in
                lines.append(line)
                if !json {
                    print(
                        line.kernel.padding(toLength: 42, withPad: " ", startingAt: 0)
                            + line.shape.padding(toLength: 36, withPad: " ", startingAt: 0)
                            + "\(String(format: "%8.2f", line.value)) \(line.unit)")
                }
            }
            if json { try Console.printJSON(lines) }
        }
    }
}
