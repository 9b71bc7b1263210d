import ArgumentParser
import Compute
import Evaluation
import Model

extension BenchCommand {
    /// `fpdm bench step`
    struct Step: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "step",
            abstract: "Measure a training step on this machine.",
            discussion: """
                fpdm bench step --model FPDM-S/2 --batch 16 --iterations 5 6

                Forward, loss, backward, sum of the gradients, AdamW and the average of the weights, on noise in the \
                place of 32 x 32 x 4 latents of 1,000 classes, with a learned sigma. One step warms up. Operations are \
                those of the matrix products, counted from their shapes. benchmarks/compare.sh measures the same \
                beside PyTorch.
                """)

        @OptionGroup var network: BenchNetworkOptions

        @Option(name: .long, help: "Samples of a step.")
        var batch = StepBench.Settings().batch

        @Option(name: .long, help: "Samples in the network at once; all of a step's if not given.")
        var microbatch: Int?

        @Option(
            name: .long, parsing: .upToNextOption,
            help: "Two numbers, an FPDM's iterations without and with a gradient; a DiT has none.")
        var iterations = [5, 6]

        @Option(name: .long, help: "How the backward pass gets at its activations: keep or recompute.")
        var activations = ActivationMode.keep

        @Option(name: .long, help: "Steps measured.")
        var steps = StepBench.Settings().steps

        @Option(
            name: .long,
            help: """
                Another library (native, onednn, openblas) or precision (float32, bf16), or both as in onednn:bf16, whose \
                steps are measured in turn with the first one's.
                """)
        var beside: BenchOpponent?

        @Flag(name: .long, help: "Print JSON: an object; with --beside an array of two.")
        var json = false

        func validate() throws {
            guard 1...1_000_000 ~= batch else { throw ValidationError("--batch: from 1 to 1000000") }
            if let microbatch, !(1...batch ~= microbatch) {
                throw ValidationError("--microbatch: from 1 to --batch, which is \(batch)")
            }
            let limit = ModelConfiguration.solveIterationsLimit
            guard iterations.count == 2, limit ~= iterations[0], 1...limit.upperBound ~= iterations[1] else {
                throw ValidationError(
                    "--iterations: two numbers up to \(limit.upperBound), the second at least 1, such as 5 6")
            }
            guard 1...1_000_000 ~= steps else { throw ValidationError("--steps: from 1 to 1000000") }
        }

        func run() throws {
            try Session.requireOneProcess("bench step")
            var settings = StepBench.Settings()
            settings.model = try network.configuration
            (settings.batch, settings.microbatch) = (batch, microbatch ?? batch)
            settings.iterations = Iterations(withoutGradient: iterations[0], withGradient: iterations[1])
            (settings.activations, settings.steps) = (activations, steps)
            let first = try network.makeEngine()
            let engines = try [first] + (beside.map { [try network.engine.makeEngine($0, beside: first)] } ?? [])
            try network.requireMemory(engines.reduce(0) { $0 + settings.bytes($1) })
            if !json {
                print(settings.model.inWords)
                for engine in engines {
                    print("\(engine.name), \(counted(engine.pool.threadCount, "thread")), \(engine.precision.rawValue)")
                }
            }
            let results = try StepBench.inTurn(settings, engines: engines)
            if json { return beside == nil ? try Console.printJSON(results[0]) : try Console.printJSON(results) }
            for result in results {
                if results.count > 1 { print("\n\(result.backend), \(result.precision)") }
                print(words(result))
            }
            print("\(results.count > 1 ? "\nboth " : "")at most \(gibibytes(results[0].peakBytes)) of memory")
            if results.count > 1 {
                let ratio = results[1].secondsPerStep / results[0].secondsPerStep
                print(
                    "\(significant(ratio, 3)) times as fast as with \(results[1].backend), \(results[1].precision), step by step in turn"
                )
            }
        }

        private func words(_ result: StepBench.Result) -> String {
            let phases = result.phases
            let parts = [
                ("packing", phases.packing), ("noise", phases.noise), ("forward", phases.forward),
                ("backward", phases.backward),
                ("sum", phases.sum), ("optimizer", phases.optimizer),
            ]
            return """
                \(significant(result.secondsPerStep)) s a step (median of \(result.steps), fastest \
                \(significant(result.secondsFastest))), \(significant(result.samplesPerSecond)) samples/s
                \(significant(result.flopsPerStep / 1e9)) GFLOP a step, \(significant(result.flopsPerSecond / 1e9)) \
                GFLOP/s: \(significant(100 * result.flopsPerSecond / result.bestProductFlops, 3)) % of the best packed \
                product's \(significant(result.bestProductFlops / 1e9))
                \(phaseWords(parts))
                \(kernelTable(result.kernels))
                """
        }
    }
}
