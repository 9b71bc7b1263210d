import Compute

/// Adds shard gradients in one fixed binary tree, whatever the number of ranks.
///
/// A rank's shards are a power of two in number and arrive in order, so pairs can be added as soon as both are
/// there, as in a binary counter: at most log2(shards) + 1 gradients exist at once.
public final class GradientTree {
    /// Gradients of complete subtrees, largest first; the buffer after them takes the next shard.
    private var levels: [Int] = []
    private let buffers: [FloatBuffer]
    private let arena: Arena
    private let engine: Engine

    /// - Parameter shards: of one rank, a power of two.
    public init(_ engine: Engine, shards: Int, count: Int) {
        precondition(shards > 0 && shards & (shards - 1) == 0, "shards of a rank must be a power of two")
        self.engine = engine
        let (arena, buffers) = Arena.build("gradients") { arena in
            (0...shards.trailingZeroBitCount).map { _ in arena.take(count) }
        }
        self.arena = arena
        self.buffers = buffers
    }

    public var bytes: Int { arena.bytes }

    /// A zeroed buffer for the next shard's gradient; `add` completes it.
    public func nextBuffer() -> FloatBuffer {
        let buffer = buffers[levels.count]
        Elementwise.zero(engine, buffer)
        return buffer
    }

    /// Takes the gradient that was written to `nextBuffer()` into the tree.
    public func add() {
        var level = 0
        while let last = levels.last, last == level {
            let sum = buffers[levels.count - 1]
            Elementwise.add(engine, buffers[levels.count], to: sum, count: sum.count)
            levels.removeLast()
            level += 1
        }
        levels.append(level)
    }

    /// The sum of all shards; empties the tree.
    public func finish() -> FloatBuffer {
        precondition(levels.count == 1, "the number of shards added is no power of two")
        levels.removeAll(keepingCapacity: true)
        return buffers[0]
    }
}
