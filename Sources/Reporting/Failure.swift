/// A failure that nobody tells from others, but by its message and the exit code that it ends the program with.
public struct Failure: Reportable, Equatable {
    /// How the program ends: the codes of sysexits.h that it uses, which batch scripts tell apart.
    public enum Status: Int32, Sendable {
        /// The command line says something that cannot be.
        case usage = 64
        /// A file's content is not what it should be, or a job cannot be.
        case badData = 65
        /// A file is not there.
        case noInput = 66
        /// The program, or a library, is at fault; or training has diverged.
        case software = 70
        /// Something would be overwritten, or is in use.
        case cannotCreate = 73
        /// A disk is full, fails, or refuses.
        case io = 74
        /// Saved: start the same command again.
        case tryAgain = 75
    }

    public let status: Failure.Status
    public let description: String

    public var exitCode: Int32 { status.rawValue }

    public init(_ status: Failure.Status, _ message: String) {
        self.status = status
        description = message
    }

    /// Exit code and message of any error; one that is not `Reportable` is the program's own fault.
    public static func describe(_ error: any Error) -> (code: Int32, message: String) {
        guard let error = error as? any Reportable else { return (Failure.Status.software.rawValue, "\(error)") }
        return (error.exitCode, error.description)
    }
}
