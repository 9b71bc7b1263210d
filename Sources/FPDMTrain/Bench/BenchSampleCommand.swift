import ArgumentParser
import Diffusion
import Evaluation

extension BenchCommand {
    /// `fpdm bench sample`
    struct Sample: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sample",
            abstract: "Measure how long drawing images takes on this machine.",
            discussion: """
                fpdm bench sample --model FPDM-S/2 --batch 8 --steps 20 --iterations 8 --guidance 4

                DDIM with guidance, from weights that mean nothing, for latents of 32 x 32 x 4 and 1,000 classes. One \
                evaluation of the network warms up. Operations are those of the matrix products, counted from their \
                shapes. benchmarks/compare.sh measures the same beside PyTorch.
                """)

        @OptionGroup var network: BenchNetworkOptions

        @Option(name: .long, help: "Images at once.")
        var batch = SampleBench.Settings().batch

        @Option(name: .long, help: "Sampling steps.")
        var steps = SampleBench.Settings().steps

        @Option(name: .long, help: "An FPDM's iterations in each step; a DiT has none.")
        var iterations = SampleBench.Settings().iterations

        @Option(name: .long, help: "Scale of the guidance; 1 is none.")
        var guidance = SampleBench.Settings().guidance

        @Option(name: .customLong("repeat"), help: "Runs measured.")
        var repeats = SampleBench.Settings().repeats

        @Flag(name: .long, help: "Print JSON.")
        var json = false

        func validate() throws {
            guard 1...1_000_000 ~= batch else { throw ValidationError("--batch: from 1 to 1000000") }
            guard 1...DiffusionConfiguration().steps ~= steps else {
                throw ValidationError("--steps: from 1 to \(DiffusionConfiguration().steps)")
            }
            guard IterationAllocation.iterationsLimit ~= iterations else {
                throw ValidationError("--iterations: from 1 to \(IterationAllocation.iterationsLimit.upperBound)")
            }
            // Written so that a NaN is refused.
            guard Guidance.scaleLimit ~= guidance, guidance.isFinite else {
                throw ValidationError("--guidance must be 0 or more")
            }
            guard 1...1_000_000 ~= repeats else { throw ValidationError("--repeat: from 1 to 1000000") }
        }

        func run() throws {
            try Session.requireOneProcess("bench sample")
            var settings = SampleBench.Settings()
            settings.model = try network.configuration
            (settings.batch, settings.steps, settings.iterations) = (batch, steps, iterations)
            (settings.guidance, settings.repeats) = (guidance, repeats)
            let engine = try network.makeEngine()
            try network.requireMemory(settings.bytes(engine))
            if !json {
                print(settings.model.inWords)
                print("\(engine.name), \(counted(engine.pool.threadCount, "thread")), \(engine.precision.rawValue)")
            }
            let result = try SampleBench(settings, engine: engine).run()
            if json { try Console.printJSON(result) } else { print(words(result)) }
        }

        private func words(_ result: SampleBench.Result) -> String {
            let phases = result.phases
            return """
                \(significant(result.secondsPerRun)) s for \(counted(result.batch, "image")) (median of \(result.repeats), \
                fastest \(significant(result.secondsFastest))), \(significant(result.secondsPerImage)) s an image, \
                \(significant(result.samplesPerSecond)) samples/s
                \(significant(result.flopsPerRun / 1e9)) GFLOP, \(significant(result.flopsPerSecond / 1e9)) GFLOP/s: \
                \(significant(100 * result.flopsPerSecond / result.bestProductFlops, 3)) % of the best packed product's \
                \(significant(result.bestProductFlops / 1e9))
                \(phaseWords([("packing", phases.packing), ("network", phases.network), ("sampler", phases.sampler)]))
                \(kernelTable(result.kernels))
                at most \(gibibytes(result.peakBytes)) of memory
                """
        }
    }
}
