/// What is wrong with a data set or with what one is packed from, as one line for the person at the terminal.
public struct DataError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What kind of mistake it is; a program's exit code follows from it.
    public enum Kind: Sendable {
        /// A file is not there (66 of sysexits.h).
        case missing
        /// The content is not what it should be (65).
        case malformed
        /// The options do not fit each other or the source (64).
        case usage
    }

    public let kind: Kind
    /// The file or folder, or the data set's base path where no single file is at fault.
    public let file: String
    /// What is wrong, where in the file, and what to do.
    public let message: String

    public init(_ kind: Kind, _ file: String, _ message: String) {
        self.kind = kind
        self.file = file
        self.message = message
    }

    public var description: String { "\(file): \(message)" }
}
