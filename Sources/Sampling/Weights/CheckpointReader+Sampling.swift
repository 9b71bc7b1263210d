import Checkpoints
import Compute
import Model

/// One set of weights of a checkpoint, as a flat vector with its memory.
public final class LoadedWeights {
    /// A flat vector; valid as long as this object.
    public let values: FloatBuffer
    private let arena: Arena

    init(count: Int) { (arena, values) = Arena.build("weights") { $0.take(count) } }
}

/// What sampling takes from a checkpoint.
extension CheckpointReader {
    /// - Throws: `CheckpointError` where the checkpoint does not fit the model, or is damaged.
    public func weights(_ kind: SavedWeights, of model: ModelConfiguration) throws -> LoadedWeights {
        let table = ParameterTable(model)
        let weights = LoadedWeights(count: table.flatCount)
        try load(table.pieces(kind.rawValue, in: weights.values))
        return weights
    }
}
