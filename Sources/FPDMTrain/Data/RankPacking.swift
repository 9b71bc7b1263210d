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
        // Every rank has the same list, for no shard is packed before all have passed the last agreement.
        let mine = missing.indices.filter { $0 % size == rank }.map { missing[$0] }
        let progress = PackingProgress(packing, missing: missing, mine: mine, rank: rank, of: size)
        if rank == 0 { tell(missing, packing) }
        do {
            // Which waits for the others, too.
            try together { try pack(mine, packing, progress) }
            progress.end()
        } catch {
            progress.end()
            guard rank == 0, packing.abandonIfEmpty() else { throw error }
            let done = (try? packing.finishedShards) ?? 0
            Console.log.notice(
                "\(done) \(done == 1 ? "shard is" : "shards are") done and stay in \(packing.folder): the same command goes on from there"
            )
            throw error
        }
        return try together { rank == 0 ? try packing.finish() : nil }
    }

    private func pack(_ mine: [Int], _ packing: DatasetPacking, _ progress: PackingProgress) throws {
        do {
            for shard in mine {
                try packing.pack(shard) {
                    // Looking for the others' failure is looking at the disk: once a second.
                    if progress.step(), size > 1, packing.hasFailed { throw OtherRankFailed() }
                }
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
