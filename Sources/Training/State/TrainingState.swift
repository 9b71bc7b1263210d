import Compute
import Model

/// What training changes: the weights, whole on every rank, and this rank's slice of their average and of the
/// optimizer's moments (ZeRO stage 1), all of one flat layout.
public final class TrainingState {
    public let table: ParameterTable
    public let slices: FlatSlices
    public let rank: Int
    /// Steps done, skipped ones included.
    public var step = 0
    /// Steps in which the weights changed: what the correction of the moments' bias counts.
    public var updates = 0
    /// Steps skipped since the last that was not.
    public var skippedInARow = 0
    /// [flat]
    public let weights: FloatBuffer
    /// [slice], and room behind it for the rest of a row that the slice's end cuts (`CheckpointRows`).
    let emaWithTail, firstMomentWithTail, secondMomentWithTail: FloatBuffer
    private let arena: Arena

    /// - Parameter rank: of `slices.ranks`.
    public init(_ table: ParameterTable, slices: FlatSlices, rank: Int) {
        precondition(slices.count == table.flatCount, "slices of another vector")
        self.table = table
        self.slices = slices
        self.rank = rank
        let (arena, parts) = Arena.build("weights, average and optimizer") { Self.take($0, table, slices, rank) }
        self.arena = arena
        (weights, emaWithTail, firstMomentWithTail, secondMomentWithTail) = parts
    }

    /// The whole state on one rank.
    public convenience init(_ table: ParameterTable) {
        self.init(table, slices: FlatSlices(count: table.flatCount, ranks: 1), rank: 0)
    }

    private static func take(
        _ arena: Arena, _ table: ParameterTable, _ slices: FlatSlices, _ rank: Int
    ) -> (FloatBuffer, FloatBuffer, FloatBuffer, FloatBuffer) {
        let slice = CheckpointRows(table, slices).count(of: rank)
        return (arena.take(table.flatCount), arena.take(slice), arena.take(slice), arena.take(slice))
    }

    /// Bytes of a rank's state, without taking them.
    static func bytes(_ table: ParameterTable, _ slices: FlatSlices, rank: Int) -> Int {
        Arena.measure("state") { take($0, table, slices, rank) } * MemoryLayout<Float>.stride
    }

    /// Bytes of all ranks' states, each value once: what a checkpoint holds.
    static func bytes(_ table: ParameterTable) -> Int {
        bytes(table, FlatSlices(count: table.flatCount, ranks: 1), rank: 0)
    }

    /// The values that this rank owns.
    public var slice: Range<Int> { slices[rank] }
    /// [slice]
    public var ema: FloatBuffer { emaWithTail.slice(0, slice.count) }
    public var firstMoment: FloatBuffer { firstMomentWithTail.slice(0, slice.count) }
    public var secondMoment: FloatBuffer { secondMomentWithTail.slice(0, slice.count) }

    public var bytes: Int { arena.bytes }

    /// Starts anew: initial weights, the same as average, no moments.
    public func start(_ random: TrainingRandom) {
        random.initialize(table, weights)
        ema.copy(from: weights[slice])
        firstMoment.fill(0)
        secondMoment.fill(0)
        (step, updates, skippedInARow) = (0, 0, 0)
    }
}
