/// What a rank makes of a standstill, from itself and from what it saw of the others.
enum Suspicion: Equatable, Sendable {
    /// This rank itself makes no progress.
    case itself
    /// No sign of life of these ranks.
    case silent([Int])
    /// All ranks wait for each other.
    case stuck

    /// What was seen of another rank.
    struct Observation: Equatable, Sendable {
        /// Nil if it never showed any.
        var pulse: Pulse?
        /// Seconds for which its pulse was watched and did not change.
        var silent: Double
    }

    /// Nil as long as nobody need be suspected.
    ///
    /// A rank that waits is not at fault: whoever keeps it waiting is, and a rank that still lives accuses itself. So
    /// only those are accused by others that can no longer, and after them MPI. The lowest rank that can speaks first; the
    /// others follow, where that did not end them.
    ///
    /// - Parameters:
    ///   - others: by rank; this one's is not looked at.
    ///   - limit: seconds without progress.
    static func verdict(
        rank: Int, isWaiting: Bool, still: Double, others: [Observation], limit: Double
    ) -> Suspicion? {
        guard still >= limit else { return nil }
        guard isWaiting else { return .itself }
        let ranks = others.indices.filter { $0 != rank }
        let silent = ranks.filter { others[$0].pulse != nil && others[$0].silent >= watched * limit }
        let isFirst = (0..<rank).allSatisfy(silent.contains)
        let turn = isFirst ? 0 : patience * limit
        if !silent.isEmpty { return still >= limit + turn ? .silent(silent) : nil }
        let allWait = ranks.allSatisfy { other in
            others[other].pulse.map { $0.isWaiting && $0.still >= limit } ?? true
        }
        return allWait && still >= (1 + patience) * limit + turn ? .stuck : nil
    }

    /// Parts of the limit: for which another's pulse must have stood still, and between those who may speak.
    static let watched = 0.4
    private static let patience = 0.2
}
