/// What an image of a data set is labelled with.
public enum DatasetLabels: Equatable, Sendable {
    /// An integer from 0: `/labels` [N] int32.
    case classes
    /// A vector of this many numbers: `/labels` [N, K] float32.
    case continuous(Int)
    /// Nothing: no `/labels`.
    case none
}

extension DatasetLabels: CustomStringConvertible {
    /// As it reads in a sentence about a data set's labels.
    public var description: String {
        switch self {
        case .classes: "classes"
        case .continuous(let length): "vectors of \(length) numbers"
        case .none: "none"
        }
    }
}
