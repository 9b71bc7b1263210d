import Checkpoints
import Compute
import Jobs
import Model
import Storage

/// Which of a checkpoint's two sets of weights.
public enum SavedWeights: String, CaseIterable, Sendable {
    /// Their moving average, which is what is sampled from.
    case ema
    /// Those that are trained.
    case model
}

/// Weights for other programs.
public enum WeightsExport {
    /// Writes weights as safetensors: float32 under the published names, with the fixed `pos_embed` [1, T, D] that
    /// published checkpoints carry, and the step, the job's name and which weights they are as metadata.
    ///
    /// Takes memory for these weights once.
    ///
    /// - Parameters:
    ///   - path: nothing may be there yet.
    ///   - table: the parameters of the checkpoint's network.
    /// - Throws: ``CheckpointError``, `.otherModel`, if the checkpoint's tensors are not those of `table`; `StorageError`,
    ///   `.exists` if there is something at `path`, `.io` if it cannot be written.
    public static func write(
        _ reader: CheckpointReader, weights: SavedWeights, to path: String, table: ParameterTable
    ) throws {
        guard try !Files.exists(path) else {
            throw StorageError(.exists, path, "is there already; remove it or choose another name")
        }
        let (arena, flat) = Arena.build("export") { $0.take(table.flatCount) }
        try reader.load(
            table.parameters.map {
                CheckpointPiece(group: weights.rawValue, name: $0.name, shape: $0.shape, values: flat[$0.range])
            })
        let model = table.configuration
        var metadata = ["format": "pt", "weights": weights.rawValue, "step": String(reader.metadata.step)]
        if let job = try? JobConfiguration.recorded(reader.metadata.jobYAML, in: reader.path) {
            metadata["job"] = job.run.name ?? job.run.directory
        }
        let positions = Embeddings.positions(width: model.width, side: model.imageSize / model.patchSize)
        try positions.withUnsafeBufferPointer { positions in
            let tensors = table.parameters.map { ($0.name, $0.shape, flat[$0.range].readable) }
            try SafeTensors.write(
                tensors + [("pos_embed", [1, model.tokens, model.width], positions)], metadata: metadata, to: path)
        }
        withExtendedLifetime(arena) {}
    }
}
