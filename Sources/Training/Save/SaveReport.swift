/// What there is to say of a save that ended well.
public struct SaveReport: Equatable, Sendable {
    /// The checkpoint's folder.
    public let path: String
    /// Seconds that writing took: the longest of the ranks' files, and what rank 0 adds.
    public let writeSeconds: Double
    /// Seconds that training stood still for it.
    public internal(set) var stallSeconds = 0.0
    /// Of those, the seconds before it was written: of a copy, if one is made, and of room for it.
    var beginSeconds = 0.0
    /// Paths of earlier checkpoints that were deleted.
    public let removed: [String]
    /// Why others were not.
    public let troubles: [String]

    /// Seconds that it takes in all. Where training waits for the writing it stands still for that, too.
    package var secondsInAll: Double { max(stallSeconds, beginSeconds + writeSeconds) }
}
