extension JobConfiguration {
    /// What keeps this job from running on so many ranks; empty when nothing does. Any number from 1 to
    /// `training.virtualRanks` will do.
    public func problems(forRanks ranks: Int) -> [JobProblem] {
        let most = training.virtualRanks
        guard ranks < 1 || ranks > most else { return [] }
        return [
            JobProblem(
                key: "training.virtualRanks",
                message:
                    "\(most) virtual ranks cannot keep \(ranks) ranks busy; use 1 to \(most) ranks, or more virtual "
                    + "ranks in a new run")
        ]
    }

    /// What a number of ranks that does not divide the virtual ranks idles, in words; nil where it idles nothing.
    /// Only where `problems(forRanks:)` has none.
    public func idleNote(forRanks ranks: Int) -> String? {
        let count = training.virtualRanks
        guard ranks >= 1, ranks <= count, count % ranks != 0 else { return nil }
        let (least, rest) = (count / ranks, count % ranks)
        let most = least + 1
        let shares =
            ranks <= 8
            ? (0..<ranks).map { $0 < rest ? most.yaml : least.yaml }.joined(separator: " + ")
            : "\(rest) x \(most) + \(ranks - rest) x \(least)"
        let idle = 100 * (1 - Double(count) / Double(ranks * most))
        let percent = idle < 1 ? "under 1" : "\(Int(idle.rounded()))"
        return "\(ranks) ranks share \(count) virtual ranks as \(shares): a step takes as long as \(most) of them, so "
            + "\(percent) % of the ranks' time is idle; \(inWords(Self.evenRanks(count, near: ranks))) ranks divide them"
    }

    /// Numbers of ranks that idle nothing: all, or where they are many, those next to a number.
    private static func evenRanks(_ count: Int, near ranks: Int) -> [String] {
        let even = (1...count).filter { count % $0 == 0 }
        let chosen = even.count <= 6 ? even : [even.last { $0 < ranks }, even.first { $0 > ranks }].compactMap { $0 }
        return chosen.map(\.yaml)
    }
}
