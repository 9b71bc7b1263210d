import Reporting

/// One thing that is wrong with a job, as one line for the person who wrote it.
public struct JobError: Reportable, Equatable {
    /// What kind of mistake it is; a program's exit code follows from it.
    public enum Cause: Sendable {
        /// The job file is missing or cannot be read.
        case noInput
        /// The job file says something that cannot be.
        case badData
        /// An override does.
        case usage

        var status: Failure.Status {
            switch self {
            case .noInput: .noInput
            case .badData: .badData
            case .usage: .usage
            }
        }
    }

    /// The job file, or the override as `--set section.key=value`.
    public let file: String
    /// Line of the file, from 1; nil for overrides and for what the file does not say.
    public let line: Int?
    /// `section.key`, a section, or empty where the whole file is meant.
    public let key: String
    /// What is wrong and what to do.
    public let message: String
    public let cause: Cause

    public init(file: String, line: Int? = nil, key: String = "", message: String, cause: Cause = .badData) {
        self.file = file
        self.line = line
        self.key = key
        self.message = message
        self.cause = cause
    }

    public var exitCode: Int32 { cause.status.rawValue }

    public var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        // An override already names its key.
        return key.isEmpty || cause == .usage ? "\(place): \(message)" : "\(place): \(key): \(message)"
    }
}

/// Everything that is wrong with a job; never empty. One line each.
public struct JobErrors: Reportable, Equatable {
    public let errors: [JobError]

    public init(_ errors: [JobError]) { self.errors = errors }

    public var exitCode: Int32 { cause.status.rawValue }
    public var description: String { errors.map(\.description).joined(separator: "\n") }

    /// The gravest cause: a missing file before a wrong one before a wrong override.
    public var cause: JobError.Cause {
        for cause in [JobError.Cause.noInput, .badData] where errors.contains(where: { $0.cause == cause }) {
            return cause
        }
        return .usage
    }
}

/// Something about a job value that cannot be, wherever the value came from.
public struct JobProblem: Equatable, Sendable, CustomStringConvertible {
    /// `section.key`.
    public let key: String
    /// What is wrong and what to do.
    public let message: String
    /// Another field that may be at fault instead: it is, where an override set it and not `key`.
    let other: String?

    init(key: String, message: String, other: String? = nil) {
        (self.key, self.message, self.other) = (key, message, other)
    }

    var section: String { String(key.prefix { $0 != "." }) }

    public var description: String { "\(key): \(message)" }
}
