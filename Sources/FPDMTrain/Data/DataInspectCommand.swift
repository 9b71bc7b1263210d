import ArgumentParser
import Datasets

/// `fpdm data inspect`.
struct DataInspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what is in a data set.",
        discussion: """
            Shape, type, scaling, source, files, how many samples each class has, and the fingerprint that checkpoints \
            record. Images are read only where the files hold no digests of them; `fpdm data verify` reads them all. Notes say \
            where files of other programs are laid out so that training on them is slow, or that classes come one after \
            the other.

            Examples:
              fpdm data inspect data/digits
              fpdm data inspect data/digits --preview digits.png --count 100
            """)

    @Argument(help: "Base path of the data set, as in data/digits.")
    var path: String

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    @Option(
        help: ArgumentHelp(
            "Also draw samples, spread evenly over the data set, into this PNG file; one of that name is replaced. Of latents, three channels are shown.",
            valueName: "file"))
    var preview: String?

    @Option(help: ArgumentHelp("Samples of the preview.", valueName: "number"))
    var count = 64

    func validate() throws {
        if !(1...10_000 ~= count) { throw ValidationError("--count must be from 1 to 10000, not \(count)") }
    }

    func run() throws {
        let dataset = try ShardedDataset(path: path)
        let summary = try DatasetSummary(dataset)
        if let preview { try DatasetPreview(dataset, count: count).image().write(to: preview) }
        if json { try Console.printJSON(summary) } else { print(DataPrinting.text(summary)) }
    }
}
