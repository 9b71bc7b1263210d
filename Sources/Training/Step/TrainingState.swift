import Compute
import Model

/// What training changes: weights, their average, and the optimizer's moments, as flat vectors of one layout.
public final class TrainingState {
    public let table: ParameterTable
    /// Steps done.
    public var step = 0
    public let weights, ema, firstMoment, secondMoment: FloatBuffer
    private let arena: Arena

    public init(_ table: ParameterTable) {
        self.table = table
        let count = table.flatCount
        let (arena, parts) = Arena.build("weights and optimizer") { arena in (0..<4).map { _ in arena.take(count) } }
        self.arena = arena
        (weights, ema, firstMoment, secondMoment) = (parts[0], parts[1], parts[2], parts[3])
    }

    public var bytes: Int { arena.bytes }

    /// Starts anew: initial weights, the same as average, no moments.
    public func start(_ draws: Draws) {
        draws.initialize(table, weights)
        ema.copy(from: weights)
        firstMoment.fill(0)
        secondMoment.fill(0)
        step = 0
    }
}
