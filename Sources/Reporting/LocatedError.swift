/// The kinds of trouble that callers of a module tell apart.
public protocol TroubleKind: Equatable, Sendable {
    var status: Failure.Status { get }
}

/// Trouble with a file or folder: of some kind, at a path, with what is wrong and what to do.
///
/// Printed as `PATH: message`; an object inside a file is named in the message. Each module that reads or writes
/// files names its own: `StorageError`, `DatasetError`, `CheckpointError`.
public struct LocatedError<Kind: TroubleKind>: Reportable, Equatable {
    public let kind: Kind
    /// The file or folder; of a data set, its base path where no single file is at fault.
    public let path: String
    /// What is wrong, where in the file, and what to do.
    public let message: String

    public init(_ kind: Kind, _ path: String, _ message: String) {
        self.kind = kind
        self.path = path
        self.message = message
    }

    public var description: String { "\(path): \(message)" }
    public var exitCode: Int32 { kind.status.rawValue }
}
