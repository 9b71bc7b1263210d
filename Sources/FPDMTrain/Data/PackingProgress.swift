import Datasets
import Reporting
import Storage
import Synchronization

/// How far a packing is, of all ranks, told by rank 0 now and then.
///
/// A rank's count goes to the others through the folder of the packing, on a thread of its own: no rank waits for another,
/// and the line goes on while rank 0 has nothing left to do but wait.
final class PackingProgress: @unchecked Sendable {
    private let packing: DatasetPacking
    private let rank: Int
    private let ranks: Int
    /// Samples of this rank, and of all.
    private let own: Int
    private let total: Int
    private let shardsBefore: Int
    private let shards: Int
    private let clock = ContinuousClock()
    private let begin: ContinuousClock.Instant
    private var ticker: Ticker?
    private let taken = Atomic(0)
    private let showing: Mutex<Showing>
    /// When to look for a failure of others; on the thread that packs.
    private var nextLook: ContinuousClock.Instant

    private struct Showing {
        var line = ProgressLine()
        var nextPlain: ContinuousClock.Instant
        var hasEnded = false
    }

    /// - Parameters:
    ///   - missing: the shards that are to be packed by all ranks.
    ///   - mine: those of this rank.
    init(_ packing: DatasetPacking, missing: [Int], mine: [Int], rank: Int, of ranks: Int) {
        (self.packing, self.rank, self.ranks) = (packing, rank, ranks)
        own = mine.reduce(0) { $0 + packing.samples(of: $1) }
        total = missing.reduce(0) { $0 + packing.samples(of: $1) }
        (shards, shardsBefore) = (missing.count, packing.shards - missing.count)
        begin = clock.now
        nextLook = begin + .seconds(1)
        showing = Mutex(Showing(nextPlain: begin + .seconds(10)))
        ticker = Ticker("progress", every: 1) { [weak self] in self?.tell() }
    }

    /// Another sample is taken.
    ///
    /// - Returns: about once a second, true.
    func step() -> Bool {
        taken.add(1, ordering: .relaxed)
        let now = clock.now
        guard now >= nextLook else { return false }
        nextLook = now + .seconds(1)
        return true
    }

    /// No line comes after this.
    func end() {
        ticker?.stop()
        showing.withLock {
            $0.hasEnded = true
            $0.line.clear()
        }
    }

    /// Under the lock as a whole: what `end` waits for.
    private func tell() {
        showing.withLock { showing in
            guard !showing.hasEnded else { return }
            // Samples that are looked at again, because others of their shard cannot be read, are not among the total.
            let mine = min(taken.load(ordering: .relaxed), own)
            guard rank == 0 else { return packing.tell(taken: mine, rank: rank) }
            let done = (1..<ranks).reduce(mine) { $0 + packing.taken(rank: $1) }
            guard done > 0, let finished = try? packing.finishedShards else { return }
            let now = clock.now
            let isDue = now >= showing.nextPlain
            if isDue { showing.nextPlain = now + .seconds(10) }
            let rate = Double(done) / (now - begin).seconds
            showing.line.show(
                "packing: \(done.grouped) of \(total.grouped) samples, \(max(finished - shardsBefore, 0)) of \(shards) "
                    + "shards done, \(significant(rate, 3)) samples/s\(ranks > 1 ? " on \(ranks) ranks" : ""), "
                    + "\(readable(seconds: Double(max(total - done, 0)) / rate)) left", plain: isDue)
        }
    }
}

extension Duration {
    fileprivate var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
