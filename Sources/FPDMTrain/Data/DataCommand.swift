import ArgumentParser

/// `fpdm data`.
struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Make, look at and check data sets.",
        discussion: """
            A data set is a number of HDF5 files, NAME-00000-of-00004.h5 and so on, each with /images, /labels and \
            attributes, and NAME.h5, which shows all of them as one array to h5py and h5dump. Beside each lies a digest \
            of its bytes, FILE.digest. It goes by its base path: data/NAME.
            """,
        subcommands: [DataPackCommand.self, DataInspectCommand.self, DataVerifyCommand.self])
}
