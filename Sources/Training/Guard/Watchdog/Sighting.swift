/// What a rank sees of another's signs of life, by looking now and then.
struct Sighting: Sendable {
    /// Parts of the limit for which a rank that nobody waits for must have been silent: those who wait speak first.
    private static let patience = 1.25

    /// Seconds between looks.
    let interval: Double
    /// The last one; nil if there never was any.
    private(set) var pulse: Pulse?
    /// Seconds for which it was looked at and stayed the same, or was not there, at the last look.
    private(set) var silent = 0.0

    private var changed = 0.0
    private var looked = -Double.infinity
    /// Changes that were seen, and the longest time that one took: how soon this file system shows what was written.
    private var changes = 0
    private var longestChange = 0.0

    init(interval: Double) { self.interval = interval }

    /// Looks.
    ///
    /// - Parameters:
    ///   - found: nil where there is none.
    ///   - now: seconds on any clock, before it was read.
    mutating func look(_ found: Pulse?, now: Double) {
        // Looks that did not come, for this rank was stopped or its file system slow, tell nothing of the other.
        let isNew = now - looked > 4 * interval + 1
        if isNew { changed = now }
        if let found, found.count != pulse?.count || found.process != pulse?.process {
            if pulse != nil, !isNew {
                changes += 1
                longestChange = max(longestChange, now - changed)
            }
            (pulse, changed) = (found, now)
        }
        silent = now - changed
        looked = now
    }

    /// Whether the rank has shown none for so long that it was stopped, whatever this one does: longer than the limit, and
    /// than this file system has ever kept one back.
    func isLost(limit: Double) -> Bool {
        changes >= 2 && silent >= max(Self.patience * limit, 2 * longestChange)
    }
}
