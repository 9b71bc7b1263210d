import Compute
import Distributed

/// Carries on the tree of gradient sums across ranks: every rank ends with the sum of all.
///
/// Recursive doubling, nearest neighbours first: at level l a rank adds the vector of the rank whose number differs
/// in bit l. Both sides add the same two numbers, so all ranks hold the same bits, and the order of additions is
/// that of one rank that computes all shards itself.
public final class GradientExchange {
    private let communicator: Communicator
    private let engine: Engine
    private let arena: Arena
    private let received: FloatBuffer

    /// - Parameter communicator: its size is a power of two.
    public init(_ communicator: Communicator, _ engine: Engine, count: Int) {
        precondition(communicator.size & (communicator.size - 1) == 0, "exact exchange takes powers of two of ranks")
        self.communicator = communicator
        self.engine = engine
        let (arena, buffer) = Arena.build("exchange") { $0.take(communicator.size > 1 ? count : 0) }
        self.arena = arena
        received = buffer
    }

    public var bytes: Int { arena.bytes }

    /// Replaces `gradient` by the sum over all ranks. Collective.
    public func sum(_ gradient: FloatBuffer) throws {
        var bit = 1
        while bit < communicator.size {
            let partner = communicator.rank ^ bit
            try communicator.sendReceive(
                send: gradient.readable, to: partner, receive: received.writable, from: partner, tag: bit)
            Elementwise.add(engine, received, to: gradient, count: gradient.count)
            bit <<= 1
        }
    }
}
