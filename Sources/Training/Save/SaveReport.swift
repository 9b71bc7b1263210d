/// What there is to say of a save that ended well.
public struct SaveReport: Equatable, Sendable {
    /// The checkpoint's folder.
    public let path: String
    /// Seconds that writing took: the longest of the ranks' files, and what rank 0 adds.
    public let writeSeconds: Double
    /// Seconds that training stood still for it.
    public internal(set) var stallSeconds = 0.0
    /// Whether training went on while it was written.
    public let isBackground: Bool
    /// Paths of earlier checkpoints that were deleted.
    public let removed: [String]
    /// Why others were not.
    public let troubles: [String]

    /// Seconds that it took in all: where training waits, it stood still for the writing, too.
    var secondsInAll: Double { isBackground ? stallSeconds + writeSeconds : stallSeconds }
}
