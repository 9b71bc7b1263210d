import Checkpoints
import Compute
import Jobs
import Model
import Reporting

/// One set of weights of a checkpoint, as a flat vector with its memory.
public final class LoadedWeights {
    /// A flat vector; valid as long as this object.
    public let values: FloatBuffer
    private let arena: Arena

    init(count: Int) { (arena, values) = Arena.build("weights") { $0.take(count) } }
}

/// What sampling takes from a checkpoint.
extension CheckpointReader {
    /// The recorded job, with keys of its sampling section overridden, or the variance of steps of a network that was
    /// trained without one.
    ///
    /// - Parameter overrides: `sampling.key=value` each, or `diffusion.fixedVariance=value`.
    /// - Throws: `JobErrors`, or `Failure` for a key of another section.
    public func job(overriding overrides: [String]) throws -> JobConfiguration {
        let free = ["sampling.", "diffusion.fixedVariance="]
        if let other = overrides.first(where: { !free.contains(where: $0.hasPrefix) }) {
            throw Failure(
                .usage,
                "--set \(other): what was trained stays; only keys of the sampling section, and diffusion.fixedVariance, "
                    + "can be others")
        }
        return try JobConfiguration.recorded(metadata.jobYAML, in: path, overrides: overrides)
    }

    /// - Throws: `CheckpointError` where the checkpoint does not fit the model, or is damaged.
    public func weights(_ kind: SavedWeights, of model: ModelConfiguration) throws -> LoadedWeights {
        let table = ParameterTable(model)
        let weights = LoadedWeights(count: table.flatCount)
        try load(table.pieces(kind.rawValue, in: weights.values))
        return weights
    }
}
