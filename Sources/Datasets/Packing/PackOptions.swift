/// How samples are packed, beside what they are.
public struct PackOptions: Equatable, Sendable {
    /// What becomes of samples that cannot be read.
    public enum Unreadable: String, CaseIterable, Sendable {
        /// The first one ends the packing.
        case fail
        /// They are left out, and told of.
        case skip
    }

    /// How many files the samples are divided among, as evenly as they can be.
    public var shards: Int
    /// Where the data come from.
    public var citation: String?
    /// What one may do with them.
    public var licence: String?
    /// The level of compression, 1 to 9; nil: none.
    public var deflate: Int?
    public var unreadable: Unreadable

    public init(
        shards: Int = 1, citation: String? = nil, licence: String? = nil, deflate: Int? = nil,
        unreadable: Unreadable = .fail
    ) {
        (self.shards, self.citation, self.licence) = (shards, citation, licence)
        (self.deflate, self.unreadable) = (deflate, unreadable)
    }
}
