import ArgumentParser
import Evaluation
import Model
import Sampling

extension BenchCommand {
    /// `fpdm bench vae`
    struct VAE: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "vae",
            abstract: "Measure how long encoding and decoding images takes on this machine.",
            discussion: """
                fpdm bench vae --side 512

                The autoencoder of Stable Diffusion (sd-vae-ft-mse's size) unless --vae names a folder whose sizes are \
                taken; its weights mean nothing. benchmarks/vae.sh measures the same beside diffusers.
                """)

        @Option(name: .long, help: "Folder of an autoencoder whose config.json is taken.")
        var vae: String?

        @Option(name: .long, help: "Side of the images, in pixels.")
        var side = AutoencoderBench.Settings().side

        @Option(name: .long, help: "Images at once.")
        var batch = AutoencoderBench.Settings().batch

        @Option(name: .customLong("repeat"), help: "Runs measured, of each half.")
        var repeats = AutoencoderBench.Settings().repeats

        @Flag(name: .long, help: "Print JSON.")
        var json = false

        @OptionGroup var engine: EngineOptions

        func validate() throws {
            guard 1...8_192 ~= side else { throw ValidationError("--side: from 1 to 8192") }
            guard 1...1_000 ~= batch else { throw ValidationError("--batch: from 1 to 1000") }
            guard 1...1_000_000 ~= repeats else { throw ValidationError("--repeat: from 1 to 1000000") }
        }

        func run() throws {
            try Session.requireOneProcess("bench vae")
            var settings = AutoencoderBench.Settings()
            if let vae { settings.configuration = try AutoencoderFolder(vae).configuration }
            (settings.side, settings.batch, settings.repeats) = (side, batch, repeats)
            guard settings.configuration.latentSide(side) > 0 else {
                throw ValidationError("--side must be at least \(settings.configuration.factor) with this autoencoder")
            }
            let engine = try engine.makeEngine()
            if !json {
                print(
                    "\(engine.nameWithConvolutions), \(engine.pool.threadCount) threads, \(engine.precision.rawValue)")
            }
            let result = AutoencoderBench(settings, engine: engine).run()
            if json { try Console.printJSON(result) } else { print(words(result)) }
        }

        private func words(_ result: AutoencoderBench.Result) -> String {
            """
            encode: \(significant(result.encodeSeconds)) s for \(batch) of \(side) x \(side), feature maps up to \
            \(gibibytes(result.encodeMapBytes))
            decode: \(significant(result.decodeSeconds)) s, feature maps up to \(gibibytes(result.decodeMapBytes))
            at most \(gibibytes(result.peakBytes)) of memory
            """
        }
    }
}
