import Reporting
import Storage

/// What is wrong with a checkpoint; `path` is the file, or the checkpoint's folder.
///
/// A disk that is full or fails is a `StorageError` of kind `.io` instead: it says nothing about the checkpoint.
public typealias CheckpointError = LocatedError<CheckpointTrouble>

/// The kinds of trouble with checkpoints.
public enum CheckpointTrouble: TroubleKind {
    /// There is no checkpoint at the path.
    case missing
    /// A part of it is missing or has other bytes than were written.
    case damaged
    /// It is whole, but of another model than is asked for.
    case otherModel
    /// It was written by a later version of this program.
    case tooNew
    /// A valid checkpoint of that step stands there already.
    case exists
    /// It was deleted while it was read, as a run does that keeps few.
    case gone

    public var status: Failure.Status {
        switch self {
        case .missing, .gone: .noInput
        case .damaged, .otherModel, .tooNew: .badData
        case .exists: .cannotCreate
        }
    }
}

extension CheckpointError {
    /// Whether another checkpoint may be taken instead: this one is not, or no longer, what was written.
    public var isDamage: Bool { kind == .damaged || kind == .missing }

    /// Runs `body`, whose files belong to a checkpoint: a file that is missing or malformed is damage to it.
    static func translating<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as StorageError where error.kind == .io {
            throw StorageError(
                .io, error.path,
                error.message
                    + "; that does not make it a damaged checkpoint, which would be skipped: to go on from an earlier one, "
                    + "move \(Files.folder(of: error.path)) away")
        } catch let error as StorageError {
            throw CheckpointError(.damaged, error.path, error.message)
        }
    }

    /// Runs `body`, which reads the checkpoint of a folder: what is missing because the folder has gone is no damage.
    static func noticing<Result>(_ folder: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as CheckpointError where error.kind == .damaged {
            if try Files.exists(folder) { throw error }
            throw gone(folder)
        }
    }

    static func gone(_ folder: String) -> CheckpointError {
        CheckpointError(
            .gone, folder,
            "was deleted while it was read, as a run does that keeps few checkpoints (checkpoint.keepLast); try again")
    }
}
