import Compute
import Distributed
import Reporting
import Storage

/// Finds weights that have changed in a rank's memory.
///
/// Every rank computes with a copy of all weights, and a flipped bit in one of them would spread over all in a few steps,
/// unseen. So each owner's checksum of its slice, taken before the slices are shared, travels with them, and every rank
/// holds its copy of all slices, its own included, against them: every so many steps, and where a step is not finite.
/// A copy that differs is fetched anew from a rank whose copy does not. The next sharing overwrites a change, or spreads
/// an owner's: only steps that look see what happened to them.
final class WeightSeals {
    /// Weights of a piece, which one thread looks at: a few times what `CRC32C` takes at once.
    private static let piece = 3 << 14

    private let communicator: Communicator
    private let engine: Engine
    private let slices: FlatSlices
    /// Of all slices, one after another.
    private let pieces: [Range<Int>]
    /// Of each slice, which pieces are its own.
    private let shares: [Range<Int>]
    /// Of each piece, as it was last looked at.
    private var checksums: [UInt32]
    /// Of each owner's slice.
    private var seals: [Int]
    private var isTaken = false

    init(_ communicator: Communicator, _ engine: Engine, _ slices: FlatSlices) {
        self.communicator = communicator
        self.engine = engine
        self.slices = slices
        var pieces: [Range<Int>] = []
        shares = (0..<slices.ranks).map { owner in
            let (slice, first) = (slices[owner], pieces.count)
            for start in stride(from: slice.lowerBound, to: slice.upperBound, by: Self.piece) {
                pieces.append(start..<min(start + Self.piece, slice.upperBound))
            }
            return first..<pieces.count
        }
        self.pieces = pieces
        checksums = [UInt32](repeating: 0, count: pieces.count)
        seals = [Int](repeating: 0, count: slices.ranks)
    }

    /// Takes the checksum of the slice that this rank owns, and learns those of the others. Collective.
    ///
    /// - Parameter weights: [flat], of which this rank's slice is up to date.
    func take(_ weights: FloatBuffer) {
        look(at: weights, shares[communicator.rank])
        seals[communicator.rank] = seal(communicator.rank)
        communicator.orAbort {
            try seals.withUnsafeMutableBufferPointer {
                try communicator.allGather($0, counts: [Int](repeating: 1, count: communicator.size))
            }
        }
        isTaken = true
    }

    /// As `take`, where none have been taken yet.
    func takeFirst(_ weights: FloatBuffer) {
        if !isTaken { take(weights) }
    }

    /// Whether this rank's copy differs from what the owners had.
    func differ(from weights: FloatBuffer) -> Bool {
        look(at: weights, pieces.indices)
        return seals.indices.contains { seal($0) != seals[$0] }
    }

    /// Looks at all copies, and fetches what differs. Collective.
    ///
    /// - Returns: empty if nothing does.
    /// - Throws: `RankFailure`, on all ranks alike, where no rank has a good copy.
    func repair(_ weights: FloatBuffer) throws -> [StepReport.Repair] {
        look(at: weights, pieces.indices)
        var flags = seals.indices.map { seal($0) != seals[$0] ? 1 : 0 }
        try flags.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .max) }
        return try flags.indices.filter { flags[$0] > 0 }.map { try repair(weights, owner: $0) }
    }

    private func repair(_ weights: FloatBuffer, owner: Int) throws -> StepReport.Repair {
        let differs = try communicator.allGather([seal(owner) != seals[owner] ? 1 : 0]).map { $0[0] }
        let ranks = differs.indices.filter { differs[$0] > 0 }
        guard let source = differs.firstIndex(of: 0) else {
            throw RankFailure(
                rank: ranks[0], host: try communicator.allGather(communicator.hostName)[ranks[0]],
                code: Failure.Status.software.rawValue,
                message: "weights have changed in memory since the last step\(Self.onAll(ranks)), and no rank has a "
                    + "good copy of them. Go on from the latest checkpoint: --resume auto; and have that machine's memory "
                    + "tested")
        }
        try communicator.broadcast(weights[slices[owner]].writable, root: source)
        return StepReport.Repair(ranks: ranks, owner: owner, source: source)
    }

    private static func onAll(_ ranks: [Int]) -> String { ranks.count > 1 ? " on all ranks" : "" }

    /// Takes the checksums of pieces.
    private func look(at weights: FloatBuffer, _ share: Range<Int>) {
        checksums.withUnsafeMutableBufferPointer { checksums in
            engine.pool.parallelFor(share.count) { task, _ in
                let index = share.lowerBound + task
                checksums[index] = CRC32C.of(UnsafeRawBufferPointer(weights[pieces[index]].readable))
            }
        }
    }

    /// Of a slice: the checksum of its pieces' checksums, in which any bit that changed in a piece shows.
    private func seal(_ owner: Int) -> Int {
        checksums.withUnsafeBufferPointer {
            Int(CRC32C.of(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: $0[shares[owner]]))))
        }
    }
}
