import Reporting

/// What is wrong with a data set or with what one is packed from; `path` is the file or folder, or the data set's base
/// path where no single file is at fault.
public typealias DatasetError = LocatedError<DatasetTrouble>

/// The kinds of trouble with data sets.
public enum DatasetTrouble: TroubleKind {
    /// A file is not there.
    case missing
    /// The content is not what it should be.
    case malformed
    /// The options do not fit each other or the source.
    case usage

    public var status: Failure.Status {
        switch self {
        case .missing: .noInput
        case .malformed: .badData
        case .usage: .usage
        }
    }
}
