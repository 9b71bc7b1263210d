import Compute

/// Who owns which part of the flat vectors: contiguous slices, nearly equal, with borders at multiples of 4,096 values.
///
/// Optimizer, exchange and checkpoint files alike follow from it (ZeRO stage 1: Rajbhandari et al., arXiv 1910.02054,
/// section 5.1).
public struct FlatSlices: Equatable, Sendable {
    /// Values of the whole flat vector.
    public let count: Int
    public let ranks: Int

    public init(count: Int, ranks: Int) {
        precondition(count >= 0 && ranks > 0, "\(count) values for \(ranks) ranks")
        self.count = count
        self.ranks = ranks
    }

    /// The slice that a rank owns; empty where there are more ranks than blocks.
    public subscript(rank: Int) -> Range<Int> { border(rank)..<border(rank + 1) }

    /// Values of each rank's slice.
    public var counts: [Int] { (0..<ranks).map { self[$0].count } }

    /// The first value of a rank's slice.
    private func border(_ rank: Int) -> Int {
        precondition(rank >= 0 && rank <= ranks, "rank \(rank) of \(ranks)")
        return min(Reductions.blocks(count) * rank / ranks * Reductions.block, count)
    }
}
