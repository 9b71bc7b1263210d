/// A failure that nobody tells from others, but by its message and the exit code that it ends the program with.
public struct Failure: Reportable, Equatable {
    public let status: ExitStatus
    public let description: String

    public var exitCode: Int32 { status.rawValue }

    public init(_ status: ExitStatus, _ message: String) {
        self.status = status
        description = message
    }

    /// Exit code and message of any error; one that is not `Reportable` is the program's own fault.
    public static func describe(_ error: any Error) -> (code: Int32, message: String) {
        guard let error = error as? any Reportable else { return (ExitStatus.software.rawValue, "\(error)") }
        return (error.exitCode, error.description)
    }
}
