import ArgumentParser
import Datasets
import Model
import Reporting

/// `fpdm data verify`.
struct DataVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read all of a data set and report everything that is wrong with it.",
        discussion: """
            Every file must be there and fit the others; every checksum must hold, every byte be as it was written, \
            every number finite, every class count from 0. What training would refuse in any job, or what would ruin \
            it, such as pixels of 0 to 255 that no scale brings to -1 to 1, is wrong too. Ends with exit code 65 if \
            anything is.

            Example: fpdm data verify data/digits
            """)

    @Argument(help: "Base path of the data set, as in data/digits.")
    var path: String

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    func run() throws {
        let limits = DatasetVerifier.Limits(
            side: ModelConfiguration.imageSizeLimit, channels: ModelConfiguration.channelsLimit,
            classes: ModelConfiguration.classesLimit.upperBound)
        let verification = DatasetVerifier.verify(path: path, limits: limits)
        if json { try Console.printJSON(verification) } else { print(DataPrinting.text(verification)) }
        if !verification.isSound { throw ExitCode(Failure.Status.badData.rawValue) }
    }
}
