import Compute
import Diffusion
import Distributed
import Storage

/// A failure with the exit code that it ends the program with (sysexits.h), and one message for a person.
public struct Failure: Error, CustomStringConvertible, Equatable, Sendable {
    public enum Code: Int32, Sendable {
        case usage = 64
        case badData = 65
        case noInput = 66
        case software = 70
        case cannotCreate = 73
        case io = 74
        case tryAgain = 75
    }

    public let code: Code
    public let description: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        description = message
    }

    /// Exit code and message of any error that this program knows.
    public static func describe(_ error: any Error) -> (code: Int32, message: String) {
        switch error {
        case let error as Failure: (error.code.rawValue, error.description)
        case let error as RankFailure: (error.code, error.description)
        case let error as JobErrors: (code(error.cause).rawValue, error.description)
        case let error as StorageError: (code(error.kind).rawValue, error.description)
        case let error as DataError: (code(error.kind).rawValue, error.description)
        case let error as CheckpointError: (code(error.kind).rawValue, error.description)
        case let error as DiffusionError: (Code.badData.rawValue, error.description)
        case let error as OpenBLAS.LoadError: (Code.software.rawValue, error.description)
        case let error as MPIError: (Code.software.rawValue, error.description)
        default: (Code.software.rawValue, "\(error)")
        }
    }

    private static func code(_ cause: JobError.Cause) -> Code {
        switch cause {
        case .noInput: .noInput
        case .badData: .badData
        case .usage: .usage
        }
    }

    private static func code(_ kind: StorageError.Kind) -> Code {
        switch kind {
        case .missing: .noInput
        case .malformed: .badData
        case .exists: .cannotCreate
        case .io: .io
        case .library: .software
        }
    }

    private static func code(_ kind: DataError.Kind) -> Code {
        switch kind {
        case .missing: .noInput
        case .malformed: .badData
        case .usage: .usage
        }
    }
}
