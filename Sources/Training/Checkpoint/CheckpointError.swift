import Storage

/// What is wrong with a checkpoint, as one line for the person at the terminal.
///
/// A disk that is full or fails is a `StorageError` of kind `.io` instead: it says nothing about the checkpoint.
public struct CheckpointError: Error, CustomStringConvertible, Equatable, Sendable {
    /// The kinds that callers tell apart.
    public enum Kind: Sendable {
        /// There is no checkpoint at the path.
        case missing
        /// A part of it is missing or has other bytes than were written.
        case damaged
        /// It is whole, but of another model than is asked for.
        case otherModel
        /// It was written by a later version of this program.
        case tooNew
        /// A good checkpoint of that step stands there already.
        case exists
    }

    public let kind: Kind
    /// The file, or the checkpoint's folder.
    public let path: String
    /// What is wrong and what to do.
    public let message: String

    public init(_ kind: Kind, _ path: String, _ message: String) {
        self.kind = kind
        self.path = path
        self.message = message
    }

    public var description: String { "\(path): \(message)" }

    /// Runs `body`, whose files belong to a checkpoint: a file that is missing or malformed is damage to it.
    static func translating<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as StorageError where error.kind != .io {
            throw CheckpointError(.damaged, error.path, error.message)
        }
    }
}
