import Checkpoints
import Compute
import Model

/// A copy of what a rank saves, which stays as it is while training goes on.
final class StateSnapshot: Sendable {
    /// What this rank saves, in the copy.
    let pieces: [CheckpointPiece]
    /// Those of the state, which outlives this.
    private let sources: [FloatBuffer]
    private let copies: [FloatBuffer]
    private let arena: Arena

    /// Of the state as it is now: all memory is touched here, so that no later copy waits for pages.
    init(_ state: TrainingState, _ engine: Engine) {
        sources = state.savedVectors
        let counts = sources.map(\.count)
        (arena, copies) = Arena.build("copy to save") { Self.take($0, counts) }
        pieces = state.checkpointPieces(in: copies)
        _ = take(engine)
    }

    private static func take(_ arena: Arena, _ counts: [Int]) -> [FloatBuffer] { counts.map { arena.take($0) } }

    /// Bytes of a rank's copy, without taking them.
    static func bytes(_ table: ParameterTable, _ slices: FlatSlices, rank: Int) -> Int {
        let count = CheckpointRows(table, slices).count(of: rank)
        // Weights, average and two moments.
        return Arena.measure("copy to save") { take($0, [count, count, count, count]) } * MemoryLayout<Float>.stride
    }

    var bytes: Int { arena.bytes }

    /// Copies the state as it is now; `completeRows` comes first.
    ///
    /// - Returns: whether all that this rank saves is finite.
    func take(_ engine: Engine) -> Bool {
        // All of them, whatever is found in the first.
        zip(copies, sources).map { Reductions.copy(engine, $1, to: $0) }.allSatisfy { $0 }
    }
}
