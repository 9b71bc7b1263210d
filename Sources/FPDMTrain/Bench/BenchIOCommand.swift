import ArgumentParser
import Datasets
import Evaluation
import Jobs
import Storage

extension BenchCommand {
    /// `fpdm bench io`
    struct IO: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "io",
            abstract: "Measure how long steps wait for samples that are read from disk.",
            discussion: """
                fpdm bench io /scratch/noise --make 2048

                A step keeps all threads busy for a while and takes a batch, as training does; files are not in memory at \
                first. Each order of samples is measured alone, and while another thread writes HDF5 files, as for \
                checkpoints. --make packs a data set of noise first, 32 x 32 x 4 floats, where there is none.
                """)

        @Argument(help: "Base path of the data set.")
        var data: String

        @Option(name: .long, help: "MiB of noise to pack first.")
        var make: Int?

        @Option(name: .long, help: "Files of it.")
        var shards = 16

        @Option(name: .long, help: "Samples of a step.")
        var batch = 64

        @Option(name: .long, help: "Virtual ranks.")
        var virtualRanks = 8

        @Option(name: .long, help: "data.window")
        var window = JobConfiguration().data.window

        @Option(name: .long, help: "Milliseconds of a step.")
        var milliseconds = 50.0

        @Option(name: .long, help: "Steps of each measurement.")
        var steps = 400

        @Flag(name: .long, help: "Print JSON.")
        var json = false

        @OptionGroup var engine: EngineOptions

        func validate() throws {
            if let make, !(1...1_000_000 ~= make) { throw ValidationError("--make: from 1 to 1000000") }
            if !(1...4096 ~= virtualRanks) { throw ValidationError("--virtual-ranks: from 1 to 4096") }
            guard 1...1_000_000 ~= batch, batch % virtualRanks == 0 else {
                throw ValidationError("--batch: a multiple of --virtual-ranks, up to 1000000")
            }
            if !(1...100_000 ~= shards) { throw ValidationError("--shards: from 1 to 100000") }
            if !(JobConfiguration.Data.windowLimit ~= window) { throw ValidationError("--window must be at least 1") }
            if !(1...1_000_000 ~= steps) { throw ValidationError("--steps: from 1 to 1000000") }
            // Written so that a NaN is refused.
            guard 0...60_000 ~= milliseconds else { throw ValidationError("--milliseconds: from 0 to 60000") }
        }

        func run() throws {
            try Session.requireOneProcess("bench io")
            let name = DatasetName(data)
            if let make, try !Files.exists(name.whole) {
                try DatasetWriter.write(NoiseSource(bytes: make << 20), to: data, shards: shards, content: "latents")
            }
            let bench = ReadingBench(
                data, engine: try engine.makeEngine(), batch: batch, virtualRanks: virtualRanks, window: window,
                stepSeconds: milliseconds / 1000)
            var lines: [ReadingBench.Line] = []
            for shuffle in JobConfiguration.Data.Shuffle.allCases.reversed() {
                for scratch in [nil, name.folder] {
                    let line = try bench.run(shuffle, steps: steps, savingTo: scratch)
                    lines.append(line)
                    if !json { print(words(line)) }
                }
            }
            if json { try Console.printJSON(lines) }
        }

        private func words(_ line: ReadingBench.Line) -> String {
            "\(line.shuffle)\(line.isSaving ? ", while writing" : ""): waited \(significant(100 * line.waitShare, 3)) % of "
                + "\(significant(line.seconds, 3)) s (\(significant(1000 * line.firstWaitSeconds, 3)) ms for the first "
                + "step), \(significant(line.megabytesPerSecond, 3)) MB/s, each chunk read "
                + "\(significant(line.readsOfAChunk, 3)) times"
        }
    }
}
