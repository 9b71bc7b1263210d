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
    /// Weights of a task.
    private static let piece = 1 << 16

    private let communicator: Communicator
    private let engine: Engine
    private let slices: FlatSlices
    /// Of a slice's pieces, while it is looked at.
    private var pieces: [UInt32]
    /// Of each owner's slice.
    private var seals: [Int]
    private var isTaken = false

    init(_ communicator: Communicator, _ engine: Engine, _ slices: FlatSlices) {
        self.communicator = communicator
        self.engine = engine
        self.slices = slices
        pieces = [UInt32](repeating: 0, count: ((slices.counts.max() ?? 0) + Self.piece - 1) / Self.piece)
        seals = [Int](repeating: 0, count: slices.ranks)
    }

    /// Takes the checksum of the slice that this rank owns, and learns those of the others. Collective.
    ///
    /// - Parameter weights: [flat], of which this rank's slice is up to date.
    func take(_ weights: FloatBuffer) {
        seals[communicator.rank] = crc(weights, communicator.rank)
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
    func differ(from weights: FloatBuffer) -> Bool { seals.indices.contains { differs(weights, $0) } }

    /// Looks at all copies, and fetches what differs. Collective.
    ///
    /// - Returns: empty if nothing does.
    /// - Throws: `RankFailure`, on all ranks alike, where no rank has a good copy.
    func repair(_ weights: FloatBuffer) throws -> [StepReport.Repair] {
        var flags = seals.indices.map { differs(weights, $0) ? 1 : 0 }
        try flags.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .max) }
        return try flags.indices.filter { flags[$0] > 0 }.map { try repair(weights, owner: $0) }
    }

    private func repair(_ weights: FloatBuffer, owner: Int) throws -> StepReport.Repair {
        let differs = try communicator.allGather([differs(weights, owner) ? 1 : 0]).map { $0[0] }
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

    private func differs(_ weights: FloatBuffer, _ owner: Int) -> Bool { crc(weights, owner) != seals[owner] }

    /// Of the checksums of a slice's pieces: any bit that changes in one shows in its own, and there.
    private func crc(_ weights: FloatBuffer, _ owner: Int) -> Int {
        let slice = slices[owner]
        let count = (slice.count + Self.piece - 1) / Self.piece
        return pieces.withUnsafeMutableBufferPointer { pieces in
            engine.pool.parallelRanges(slice.count, grain: Self.piece) { range, _ in
                let values = weights.slice(slice.lowerBound + range.lowerBound, range.count)
                pieces[range.lowerBound / Self.piece] = CRC32C.of(UnsafeRawBufferPointer(values.readable))
            }
            return Int(CRC32C.of(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: pieces[..<count]))))
        }
    }
}
