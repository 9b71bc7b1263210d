import Checkpoints
import Jobs
import Model
import Reporting
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
    /// published checkpoints carry. Metadata: which weights they are (`weights`), `step`, the job's `name` and all of
    /// the `job`, by which ``WeightsImport`` knows the network, `labelNames` where the run's data set had them, and the
    /// program's `version`.
    ///
    /// Takes memory for the largest piece.
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
        try reader.requireTensors(table.extents(weights.rawValue))
        let positions = table.positions
        let job = try? JobConfiguration.recorded(reader.metadata.jobYAML, in: reader.path)
        var metadata = [
            "format": "pt", "weights": weights.rawValue, "step": String(reader.metadata.step),
            "job": reader.metadata.jobYAML, "version": ProgramVersion.current,
        ]
        metadata["name"] = job.map { $0.run.name ?? $0.run.directory }
        if let names = reader.metadata.labelNames, !names.isEmpty {
            metadata[WeightsFile.labelNamesKey] = try WeightsFile.text(ofLabelNames: names)
        }
        try SafeTensors.write(
            table.parameters.map { ($0.name, $0.shape) } + [(positions.name, positions.shape)], metadata: metadata,
            to: path
        ) { name, append in
            if name == positions.name { return try positions.values.withUnsafeBufferPointer(append) }
            try reader.forEachPiece(group: weights.rawValue, name: name) { try append($0.readable) }
        }
    }

    /// Writes a model's folder: `model.safetensors`, as ``write(_:weights:to:table:)`` makes it, and `job.yaml`, the job
    /// for a person to read. ``WeightsSource`` takes the folder for the file in it.
    ///
    /// - Throws: as that does; then nothing is at `path`.
    public static func writeFolder(
        _ reader: CheckpointReader, weights: SavedWeights, to path: String, table: ParameterTable
    ) throws {
        guard try !Files.exists(path) else {
            throw StorageError(.exists, path, "is there already; remove it or choose another name")
        }
        try AtomicFile.place(at: path, replacing: false) { work in
            try AtomicFile.createDirectory(work)
            try write(reader, weights: weights, to: "\(work)/\(ModelFolder.weights)", table: table)
            let head = [
                "\(table.configuration.inWords)",
                "model.safetensors: \(weights == .ema ? "the moving average of the weights" : "the weights") after step "
                    + "\(reader.metadata.step), by fpdm \(ProgramVersion.current)",
                "The job that trained it; the file of weights records it, too, and that is what is read.",
            ]
            try AtomicFile.write(
                head.map { "# \($0)\n" }.joined() + reader.metadata.jobYAML, to: "\(work)/\(ModelFolder.job)")
        }
    }
}
