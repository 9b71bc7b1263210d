import ArgumentParser
import Datasets
import Reporting

/// `fpdm data verify`.
struct DataVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read all of a data set and report everything that is wrong with it.",
        discussion: """
            Every file must be there and fit the others; every checksum must hold, every number be finite, every image \
            be as it was packed, every class count from 0. Ends with exit code 65 if anything is wrong.

            Example: fpdm data verify data/digits
            """)

    @Argument(help: "Base path of the data set, as in data/digits.")
    var path: String

    @Flag(help: "Print one JSON object and nothing else.")
    var json = false

    func run() throws {
        let verification = DatasetVerifier.verify(path: path)
        if json { try Console.printJSON(verification) } else { print(DataPrinting.text(verification)) }
        if !verification.isSound { throw ExitCode(Failure.Status.badData.rawValue) }
    }
}
