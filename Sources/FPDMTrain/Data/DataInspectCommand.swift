import ArgumentParser
import Datasets

/// `fpdm data inspect`.
struct DataInspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what is in a data set.",
        discussion: """
            Shape, type, scaling, source, files, how many samples each class has, and the fingerprint that checkpoints \
            record. Images are read only where the files hold no digests of them; `fpdm data verify` reads them all.

            Example: fpdm data inspect data/digits
            """)

    @Argument(help: "Base path of the data set, as in data/digits.")
    var path: String

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    func run() throws {
        let summary = try DatasetSummary(ShardedDataset(path: path))
        if json { try Console.printJSON(summary) } else { print(DataPrinting.text(summary)) }
    }
}
