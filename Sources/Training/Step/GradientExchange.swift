import Compute
import Distributed

/// What ranks exchange in a step: sums of gradients, of which each ends with its slice, and then the weights that each
/// has updated (ZeRO stage 1).
///
/// Nothing here throws: a rank that left an exchange alone would leave the others waiting in it, so that an error of
/// MPI ends all of them.
public final class GradientExchange {
    private let communicator: Communicator
    private let engine: Engine
    private let slices: FlatSlices
    private let counts: [Int]

    public init(_ communicator: Communicator, _ engine: Engine, _ slices: FlatSlices) {
        precondition(slices.ranks == communicator.size, "slices for another number of ranks")
        self.communicator = communicator
        self.engine = engine
        self.slices = slices
        counts = slices.counts
    }

    /// The gradient of all virtual ranks, rounded to float32 once. Collective.
    ///
    /// - Parameter sum: of this rank's virtual ranks; dropped.
    /// - Returns: [slice], inside `sum.gradient`; valid until the next sum begins.
    public func reduce(_ sum: GradientSum) -> FloatBuffer {
        let result = sum.gradient[slices[communicator.rank]]
        // A single virtual rank: its gradient is the sum.
        guard sum.sums.count > 0 else { return result }
        if communicator.size > 1 {
            // Exact in any order, so that MPI may choose its algorithm. It leaves this rank's part at the start.
            communicator.orAbort { try communicator.reduceScatter(sum.sums.writable, counts: counts, .sum) }
        }
        OrderFreeSum.convert(engine, sum.sums.slice(0, result.count), to: result)
        return result
    }

    /// Gives every rank all weights. Collective.
    ///
    /// - Parameter weights: [flat], of which this rank's slice is up to date.
    public func share(_ weights: FloatBuffer) {
        guard communicator.size > 1 else { return }
        communicator.orAbort { try communicator.allGather(weights.writable, counts: counts) }
    }
}
