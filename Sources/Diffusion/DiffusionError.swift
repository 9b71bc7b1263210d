import Reporting

/// A diffusion setting that cannot work; the message says what is wrong and what to do.
public struct DiffusionError: Reportable, Equatable {
    public let message: String

    public init(_ message: String) { self.message = message }

    public var exitCode: Int32 { Failure.Status.badData.rawValue }
    public var description: String { message }
}
