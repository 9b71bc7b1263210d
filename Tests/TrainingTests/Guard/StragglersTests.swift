import Testing

@testable import Training

/// Slow ranks are named, once, and no others.
@Suite struct StragglersTests {
    /// Findings over steps, each with the number of steps then done.
    private func run(
        _ counts: [Int], steps: Int, _ seconds: (_ step: Int, _ rank: Int) -> Double
    ) -> [(step: Int, finding: Stragglers.Finding)] {
        var stragglers = Stragglers(virtualRanks: counts)
        return (1...steps).flatMap { step in
            stragglers.add(counts.indices.map { seconds(step, $0) }).map { (step, $0) }
        }
    }

    @Test func aSlowRankIsNamedWithin20StepsAndOnce() throws {
        for ranks in [2, 3, 5, 16] {
            let found = run(Array(repeating: 2, count: ranks), steps: 50) { step, rank in
                (rank == 1 && step > 8 ? 1.9 : 1) * (1 + 0.1 * Double((7 * step + 3 * rank) % 5) / 5)
            }
            let first = try #require(found.first)
            #expect(found.count == 1 && first.finding.rank == 1, "\(ranks)")
            #expect(first.step > 8 && first.step <= 28 && 1.6...2.1 ~= first.finding.factor, "\(ranks): \(first)")
        }
    }

    @Test func aRankWithMoreToDoIsNotSlow() {
        #expect(run([3, 3, 2], steps: 40) { _, rank in rank == 2 ? 2 : 3 }.isEmpty)
        // One that is slow for what it has is, although its step ends with the others'.
        #expect(run([3, 3, 1], steps: 40) { _, _ in 3 }.map(\.finding.rank) == [2])
    }

    @Test func hiccupsAndNoiseCountForNothing() {
        #expect(run([1, 1, 1], steps: 100) { step, rank in rank == 0 && step % 3 == 0 ? 5 : 1 }.isEmpty)
        // Milliseconds are the machine's.
        #expect(run([1, 1, 1], steps: 100) { _, rank in rank == 0 ? 0.004 : 0.001 }.isEmpty)
        #expect(run([4], steps: 30) { _, _ in 1 }.isEmpty)
    }

    @Test func severalSlowRanksAreNamed() {
        #expect(run([1, 1, 1, 1, 1], steps: 30) { _, rank in rank > 2 ? 3 : 1 }.map(\.finding.rank) == [3, 4])
    }
}
