import Compute
import Distributed

/// What ranks exchange in a step: sums of gradients, of which each ends with its slice, and then the weights that each
/// has updated (ZeRO stage 1).
///
/// Sums go by pairs: in round k a rank sends the rank k behind it that one's slice and adds what comes from the rank k
/// before it, in pieces of which a few are under way while one is added. That moves as little as any reduce-scatter,
/// takes memory for a few pieces where `MPI_Reduce_scatter` takes more than the vector again, and may add in any order
/// because the sums are exact (`OrderFreeSum`).
///
/// Nothing here throws: a rank that left an exchange alone would leave the others waiting in it, so that an error of
/// MPI ends all of them.
public final class GradientExchange {
    /// Doubles of a piece, and pieces under way.
    private static let piece = 1 << 19
    private static let depth = 2

    private let communicator: Communicator
    private let engine: Engine
    private let slices: FlatSlices
    private let counts: [Int]
    private let arena: Arena
    /// What arrives, one buffer for each piece under way.
    private let arrivals: [DoubleBuffer]

    public init(_ communicator: Communicator, _ engine: Engine, _ slices: FlatSlices) {
        precondition(slices.ranks == communicator.size, "slices for another number of ranks")
        self.communicator = communicator
        self.engine = engine
        self.slices = slices
        counts = slices.counts
        (arena, arrivals) = Arena.build("exchange") { Self.take($0, slices) }
    }

    private static func take(_ arena: Arena, _ slices: FlatSlices) -> [DoubleBuffer] {
        let length = slices.ranks > 1 ? min(piece, slices.counts.max() ?? 0) : 0
        return (0..<depth).map { _ in arena.takeDoubles(length) }
    }

    public var bytes: Int { arena.bytes }

    /// Bytes of an exchange, without taking them.
    static func bytes(_ slices: FlatSlices) -> Int {
        Arena.measure("exchange") { take($0, slices) } * MemoryLayout<Float>.stride
    }

    /// The gradient of all virtual ranks, rounded to float32 once. Collective.
    ///
    /// - Parameters:
    ///   - sum: of this rank's virtual ranks; dropped.
    ///   - idle: done over and over while this rank waits for others that still compute.
    /// - Returns: [slice], inside `sum.gradient`; valid until the next sum begins.
    public func reduce(_ sum: GradientSum, whileIdle idle: (() -> Void)? = nil) -> FloatBuffer {
        // A single virtual rank has nothing to exchange.
        if sum.sums.count > 0 { reduceScatter(sum.sums, whileIdle: idle) }
        return sum.rounded(slices[communicator.rank])
    }

    /// Adds all ranks' values of this rank's slice, in place. Collective.
    public func reduceScatter(_ sums: DoubleBuffer, whileIdle idle: (() -> Void)? = nil) {
        var pending: [Transfer] = []
        for distance in 1..<max(communicator.size, 1) {
            let (rank, size) = (communicator.rank, communicator.size)
            let (to, from) = ((rank + distance) % size, (rank + size - distance) % size)
            // As many rounds as the longest slice has pieces: all ranks go through the same ones.
            for start in stride(from: 0, to: counts.max() ?? 0, by: Self.piece) {
                if pending.count == Self.depth { finish(pending.removeFirst(), idle) }
                pending.append(
                    begin(
                        sums, sending: part(of: to, from: start), to: to, receiving: part(of: rank, from: start),
                        from: from, into: arrivals[start / Self.piece % Self.depth]))
            }
            // The next round's pieces go into the same buffers from the first on.
            while !pending.isEmpty { finish(pending.removeFirst(), idle) }
        }
    }

    /// Gives every rank all weights. Collective.
    ///
    /// - Parameter weights: [flat], of which this rank's slice is up to date.
    public func share(_ weights: FloatBuffer) {
        guard communicator.size > 1 else { return }
        communicator.orAbort { try communicator.allGather(weights.writable, counts: counts) }
    }

    /// A piece on its way to another rank, and one on its way here.
    private struct Transfer {
        let send, receive: Request<Double>
        let arrival, target: DoubleBuffer
    }

    private func part(of rank: Int, from start: Int) -> Range<Int> {
        let slice = slices[rank]
        let first = min(slice.lowerBound + start, slice.upperBound)
        return first..<min(first + Self.piece, slice.upperBound)
    }

    // Each call aborts by itself: thrown through the others, an error would let go of requests under way, which trap.

    private func begin(
        _ sums: DoubleBuffer, sending: Range<Int>, to: Int, receiving: Range<Int>, from: Int, into arrival: DoubleBuffer
    ) -> Transfer {
        let target = sums.slice(receiving.lowerBound, receiving.count)
        let arrival = arrival.slice(0, receiving.count)
        let outgoing = MPIBuffer(
            borrowing: sums.slice(sending.lowerBound, sending.count).writable, keepingAlive: self)
        let incoming = MPIBuffer(borrowing: arrival.writable, keepingAlive: self)
        return Transfer(
            send: communicator.orAbort { try communicator.iSend(outgoing, to: to) },
            receive: communicator.orAbort { try communicator.iReceive(incoming, from: from) }, arrival: arrival,
            target: target)
    }

    private func finish(_ transfer: Transfer, _ idle: (() -> Void)?) {
        _ = communicator.orAbort { try transfer.receive.wait(whileIdle: idle) }
        OrderFreeSum.add(engine, transfer.arrival, to: transfer.target)
        _ = communicator.orAbort { try transfer.send.wait(whileIdle: idle) }
    }
}
