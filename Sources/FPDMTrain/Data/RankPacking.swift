import Datasets
import Distributed
import Reporting

/// A packing by all ranks, each some of the shards; by this process alone where there are no others.
struct RankPacking {
    /// Thrown out of a shard where another rank has failed, whose message all are going to tell.
    private struct OtherRankFailed: Error {}

    let world: Communicator?
    private var rank: Int { world?.rank ?? 0 }
    private var size: Int { world?.size ?? 1 }

    /// Packs what is missing.
    ///
    /// - Parameter open: opens the source and looks at the arguments; on every rank.
    /// - Returns: what became of it; nil on other ranks than 0.
    func run(_ open: () throws -> DatasetPacking) throws -> DatasetPacking.Outcome? {
        let packing = try together(open)
        try together { if rank == 0 { try packing.begin() } }
        let missing = try together {
            if rank != 0 { try packing.join() }
            return try packing.missing()
        }
        do {
            try together { try pack(missing, packing) }
        } catch {
            guard rank == 0, packing.abandonIfEmpty() else { throw error }
            let done = (try? packing.finishedShards) ?? 0
            Console.log.notice(
                "\(done) \(done == 1 ? "shard is" : "shards are") done and stay in \(packing.folder): the same command goes on from there"
            )
            throw error
        }
        return try together { rank == 0 ? try packing.finish() : nil }
    }

    private func pack(_ missing: [Int], _ packing: DatasetPacking) throws {
        // Every rank has the same list, for no shard is packed before all have passed the last agreement.
        let mine = missing.indices.filter { $0 % size == rank }.map { missing[$0] }
        if rank == 0 { tell(missing, packing) }
        let progress = PackingProgress(
            total: mine.reduce(0) { $0 + packing.samples(of: $1) }, shards: mine.count, ranks: size,
            isShown: rank == 0)
        defer { progress.end() }
        do {
            for shard in mine {
                try packing.pack(shard) {
                    // Looking for the others' failure is looking at the disk: once a second.
                    if progress.step(), size > 1, packing.hasFailed { throw OtherRankFailed() }
                }
                progress.shardDone()
            }
        } catch is OtherRankFailed {
            return
        } catch {
            packing.markFailure()
            throw error
        }
    }

    private func tell(_ missing: [Int], _ packing: DatasetPacking) {
        let (all, done) = (packing.shards, packing.shards - missing.count)
        if done > 0 { Console.log.notice("going on: \(done) of \(all) shards are packed already") }
        if size > missing.count, !missing.isEmpty {
            Console.log.notice(
                "\(missing.count) of \(size) ranks have a shard to pack; for the others, give --shards \(size) or more")
        }
    }

    private func together<Value>(_ body: () throws -> Value) throws -> Value {
        guard let world else { return try body() }
        return try world.agree(body)
    }
}

/// How far a rank's part of a packing is, told now and then.
private final class PackingProgress {
    private let total: Int
    private let shards: Int
    private let ranks: Int
    private let isShown: Bool
    private let line = ProgressLine()
    private let clock = ContinuousClock()
    private let begin: ContinuousClock.Instant
    private var done = 0
    private var shardsDone = 0
    private var nextLook: ContinuousClock.Instant
    private var nextPlain: ContinuousClock.Instant

    init(total: Int, shards: Int, ranks: Int, isShown: Bool) {
        (self.total, self.shards, self.ranks, self.isShown) = (total, shards, ranks, isShown)
        begin = clock.now
        nextLook = begin + .seconds(1)
        nextPlain = begin + .seconds(10)
    }

    /// Another sample is taken.
    ///
    /// - Returns: about once a second, true.
    func step() -> Bool {
        done += 1
        let now = clock.now
        guard now >= nextLook else { return false }
        nextLook = now + .seconds(1)
        guard isShown else { return true }
        let isDue = now >= nextPlain
        if isDue { nextPlain = now + .seconds(10) }
        let rate = Double(done) / (now - begin).seconds
        let part = ranks > 1 ? " of this rank, one of \(ranks)" : ""
        // Samples that are looked at again, because others of their shard cannot be read, are not among the total.
        let left = readable(seconds: Double(max(total - done, 0)) / rate)
        line.show(
            "packing: \(min(done, total).grouped) of \(total.grouped) samples\(part), \(shardsDone) of \(shards) shards done, "
                + "\(significant(rate, 3)) samples/s, \(left) left", plain: isDue)
        return true
    }

    func shardDone() { shardsDone += 1 }

    func end() { line.clear() }
}

extension Duration {
    fileprivate var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
