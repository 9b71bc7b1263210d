import Compute
import Distributed

/// What ranks exchange in a step: sums of gradients, of which each ends with its slice, and then the weights that each
/// has updated (ZeRO stage 1).
///
/// Sums go by pairs: in round k a rank sends the rank k behind it that one's slice and adds what comes from the rank k
/// before it, in pieces of which a few are under way while one is added. That moves as little as any reduce-scatter,
/// takes memory for a few pieces where `MPI_Reduce_scatter` takes more than the vector again, and may add in any order
/// because the sums are exact (`OrderFreeSum`). A rank with a single virtual rank has no sums to send but that one's
/// rounded gradient, which floats hold exactly: half the bytes.
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
    /// Of each rank, whether it has a single virtual rank and sends floats.
    private let isSingle: [Bool]
    private let arena: Arena
    /// What arrives, one buffer for each piece under way.
    private let arrivals: [DoubleBuffer]

    /// - Parameter isSingle: of each rank, whether it computes a single virtual rank (`GradientSum`); none unless told.
    public init(_ communicator: Communicator, _ engine: Engine, _ slices: FlatSlices, isSingle: [Bool]? = nil) {
        precondition(slices.ranks == communicator.size, "slices for another number of ranks")
        self.isSingle = isSingle ?? [Bool](repeating: false, count: slices.ranks)
        precondition(self.isSingle.count == slices.ranks, "one answer a rank")
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
        let own = slices[communicator.rank]
        guard communicator.size > 1 else { return sum.rounded(own) }
        precondition(sum.isSingle == isSingle[communicator.rank], "a sum of another kind")
        let target = sum.sums.slice(own.lowerBound - sum.summed.lowerBound, own.count)
        if sum.isSingle {
            reduceScatter(sum.gradient, into: target, idle)
        } else {
            reduceScatter(sum.sums, into: target, idle)
        }
        return sum.rounded(own)
    }

    /// Adds all ranks' values of this rank's slice, in place. Collective.
    public func reduceScatter(_ sums: DoubleBuffer) {
        let own = slices[communicator.rank]
        reduceScatter(sums, into: sums.slice(own.lowerBound, own.count), nil)
    }

    /// - Parameters:
    ///   - values: [flat], this rank's, of which others take their slices.
    ///   - target: [slice], where theirs are added.
    ///   - idle: as `reduce` has it.
    private func reduceScatter<Value: MPIScalar>(
        _ values: Buffer<Value>, into target: DoubleBuffer, _ idle: (() -> Void)?
    ) {
        var pending: [Transfer] = []
        for distance in 1..<max(communicator.size, 1) {
            let (rank, size) = (communicator.rank, communicator.size)
            let (to, from) = ((rank + distance) % size, (rank + size - distance) % size)
            // As many rounds as the longest slice has pieces: all ranks go through the same ones.
            for start in stride(from: 0, to: counts.max() ?? 0, by: Self.piece) {
                if pending.count == Self.depth { pending.removeFirst().finish(idle) }
                let outgoing = part(of: to, from: start)
                let incoming = part(of: rank, from: start)
                let arrival = arrivals[start / Self.piece % Self.depth].slice(0, incoming.count)
                let send = self.send(values.slice(outgoing.lowerBound, outgoing.count), to: to)
                let part = target.slice(incoming.lowerBound - slices[rank].lowerBound, incoming.count)
                let receive =
                    isSingle[from] ? receive(arrival.floats, from, to: part) : receive(arrival, from, to: part)
                pending.append(Transfer(send: send, receive: receive))
            }
            // The next round's pieces go into the same buffers from the first on.
            while !pending.isEmpty { pending.removeFirst().finish(idle) }
        }
    }

    /// Gives every rank all weights. Collective.
    ///
    /// - Parameter weights: [flat], of which this rank's slice is up to date.
    public func share(_ weights: FloatBuffer) {
        guard communicator.size > 1 else { return }
        communicator.orAbort { try communicator.allGather(weights.writable, counts: counts) }
    }

    /// Waits for a piece, and does with it what is to be done; does something else over and over meanwhile.
    private typealias Arrival = (_ idle: (() -> Void)?) -> Void

    /// A piece on its way to another rank, and one on its way here.
    private struct Transfer {
        let send, receive: Arrival

        func finish(_ idle: (() -> Void)?) {
            receive(idle)
            send(idle)
        }
    }

    private func part(of rank: Int, from start: Int) -> Range<Int> {
        let slice = slices[rank]
        let first = min(slice.lowerBound + start, slice.upperBound)
        return first..<min(first + Self.piece, slice.upperBound)
    }

    // Each call aborts by itself: thrown through the others, an error would let go of requests under way, which trap.

    private func send<Value: MPIScalar>(_ values: Buffer<Value>, to rank: Int) -> Arrival {
        let request = communicator.orAbort {
            try communicator.iSend(MPIBuffer(borrowing: values.writable, keepingAlive: self), to: rank)
        }
        return { [communicator] idle in _ = communicator.orAbort { try request.wait(whileIdle: idle) } }
    }

    private func receive(_ arrival: DoubleBuffer, _ rank: Int, to target: DoubleBuffer) -> Arrival {
        let arrived = receive(arrival, from: rank)
        return { [engine] idle in
            arrived(idle)
            OrderFreeSum.add(engine, arrival, to: target)
        }
    }

    private func receive(_ arrival: FloatBuffer, _ rank: Int, to target: DoubleBuffer) -> Arrival {
        let arrived = receive(arrival, from: rank)
        return { [engine] idle in
            arrived(idle)
            OrderFreeSum.add(engine, arrival, to: target)
        }
    }

    private func receive<Value: MPIScalar>(_ arrival: Buffer<Value>, from rank: Int) -> Arrival {
        let request = communicator.orAbort {
            try communicator.iReceive(MPIBuffer(borrowing: arrival.writable, keepingAlive: self), from: rank)
        }
        return { [communicator] idle in _ = communicator.orAbort { try request.wait(whileIdle: idle) } }
    }
}
