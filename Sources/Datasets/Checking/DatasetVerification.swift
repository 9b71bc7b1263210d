/// What `fpdm data verify` finds; with `--json`, under these names.
public struct DatasetVerification: Codable, Equatable, Sendable {
    /// One thing that is wrong.
    public struct Problem: Codable, Equatable, Sendable, CustomStringConvertible {
        public let file: String
        public let message: String

        public var description: String { "\(file): \(message)" }
    }

    /// The base path.
    public let path: String
    /// Files that could be opened.
    public internal(set) var filesRead = 0
    /// Samples whose every byte was read.
    public internal(set) var samplesRead = 0
    /// Empty for a sound data set.
    public internal(set) var problems: [Problem] = []
    /// What is no fault, but may surprise.
    public internal(set) var notes: [String] = []

    public var isSound: Bool { problems.isEmpty }
}
