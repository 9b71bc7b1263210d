/// What a rank makes of a standstill, from itself and from what it saw of the others.
enum Suspicion: Equatable, Sendable {
    /// This rank itself makes no progress.
    case itself
    /// No sign of life of these ranks, for which this one waits.
    case silent([Int])
    /// No sign of life of this rank, which this one looks after while it has work of its own.
    case lost(Int)
    /// All ranks wait for each other.
    case stuck
    /// This rank waits, and cannot see for whom.
    case blind

    /// What was seen of another rank.
    struct Observation: Equatable, Sendable {
        /// Nil if it never showed any.
        var pulse: Pulse?
        /// Seconds for which its pulse was watched and did not change.
        var silent: Double
        /// Whether that is long even for a rank that nobody waits for.
        var isLost = false
    }

    /// How well a rank sees the others.
    enum Sight: Equatable, Sendable {
        case clear
        /// Its own sign of life cannot be written: that others show none means nothing.
        case dim
        /// The file system gives no answer.
        case none
    }

    /// Nil as long as nobody need be suspected.
    ///
    /// A rank that waits is not at fault: whoever keeps it waiting is, and a rank that still lives accuses itself. So
    /// only those are accused by others that can no longer, and after them MPI. The lowest rank that can speak first; the
    /// others follow, where that did not end them.
    ///
    /// - Parameters:
    ///   - patience: times the limit before a rank accuses itself, or all of waiting unseen.
    ///   - others: by rank; this one's is not looked at.
    ///   - limit: seconds without progress.
    static func verdict(
        rank: Int, isWaiting: Bool, still: Double, patience: Double = 1, sight: Sight = .clear, others: [Observation],
        limit: Double
    ) -> Suspicion? {
        let ranks = others.indices.filter { $0 != rank }
        if sight == .clear, let lost = ranks.first(where: { others[$0].isLost }) { return .lost(lost) }
        guard still >= limit else { return nil }
        guard isWaiting else { return still >= patience * limit ? .itself : nil }
        if sight == .none { return still >= slowness * limit ? .blind : nil }
        let silent = ranks.filter {
            others[$0].silent >= watched * limit && (others[$0].pulse != nil || sight == .clear)
        }
        let isFirst = (0..<rank).allSatisfy(silent.contains)
        let turn = isFirst ? 0 : pause * limit
        if !silent.isEmpty { return still >= limit + turn ? .silent(silent) : nil }
        let allWait = ranks.allSatisfy { other in
            others[other].pulse.map { $0.isWaiting && $0.still >= limit } ?? true
        }
        // Whom nobody can see may be busy with what takes its time.
        let isSeen = ranks.allSatisfy { others[$0].pulse != nil }
        return allWait && still >= ((isSeen ? 1 : patience) + pause) * limit + turn ? .stuck : nil
    }

    /// Parts of the limit: for which another's pulse must have stood still, and between those who may speak.
    static let watched = 0.4
    private static let pause = 0.2
    /// Times the limit that a file system may take to answer: for a save, which moves nothing that can be seen while it
    /// is synced, and before a rank that sees nothing gives up.
    static let slowness = 10.0
}
