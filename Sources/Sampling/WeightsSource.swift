import Checkpoints
import Compute
import Jobs
import Model
import Reporting
import Storage

/// What a network with its weights is taken from: a checkpoint, or a file of one set of weights that records its job.
public enum WeightsSource {
    case checkpoint(CheckpointReader)
    case file(WeightsFile)

    /// Opens a file, or the checkpoint that a folder stands for.
    ///
    /// - Parameter skipped: is told of each later checkpoint that is damaged.
    /// - Throws: `CheckpointError`, `StorageError`.
    public static func open(
        _ path: String, skipped: (CheckpointStore.Skipped) -> Void
    ) throws -> WeightsSource {
        guard try !WeightsFile.isFile(path) else { return .file(try WeightsFile.open(path)) }
        return .checkpoint(try CheckpointStore.open(path, skipped: skipped))
    }

    public var path: String {
        switch self {
        case .checkpoint(let reader): reader.path
        case .file(let file): file.path
        }
    }

    /// The step after which the weights were as they are; nil where the file does not tell.
    public var step: Int? {
        switch self {
        case .checkpoint(let reader): reader.metadata.step
        case .file(let file): file.step
        }
    }

    /// The job that is recorded.
    ///
    /// - Throws: `Failure`, bad data, where there is none or it is not understood.
    public func job() throws -> JobConfiguration {
        switch self {
        case .checkpoint(let reader): return try reader.job(overriding: [])
        case .file(let file):
            guard let text = file.jobYAML else {
                throw Failure(
                    .badData,
                    "\(file.path): does not say what network its weights are of; make a checkpoint of it, with a job "
                        + "file that does: fpdm checkpoint import \(file.path) --job JOB.yaml --output RUN")
            }
            return try JobConfiguration.recorded(text, in: file.path)
        }
    }

    /// Which weights are meant: of a checkpoint the average unless told, of a file what it holds.
    ///
    /// - Returns: their name; nil where a file does not tell.
    /// - Throws: `Failure`, usage, where a file says that it holds others.
    public func kind(_ wanted: SavedWeights?) throws -> String? {
        guard case .file(let file) = self else { return (wanted ?? .ema).rawValue }
        if let wanted, let group = file.group, group != wanted.rawValue {
            throw Failure(.usage, "\(file.path): holds the weights \(group), not \(wanted.rawValue)")
        }
        return file.group ?? wanted?.rawValue
    }

    /// - Throws: `CheckpointError` where they do not fit the model, or are damaged; `StorageError`.
    public func weights(_ wanted: SavedWeights?, of model: ModelConfiguration) throws -> LoadedWeights {
        switch self {
        case .checkpoint(let reader): return try reader.weights(wanted ?? .ema, of: model)
        case .file(let file):
            let table = ParameterTable(model)
            try file.requireSame(table.extents(SavedWeights.model.rawValue), fixed: [table.positions])
            let weights = LoadedWeights(count: table.flatCount)
            try file.load(table.pieces(SavedWeights.model.rawValue, in: weights.values))
            return weights
        }
    }
}

extension ParameterTable {
    /// Every parameter as a checkpoint has it.
    func extents(_ group: String) -> [CheckpointExtent] {
        parameters.map { CheckpointExtent(group: group, name: $0.name, shape: $0.shape) }
    }

    /// Every parameter of a flat vector.
    func pieces(_ group: String, in flat: FloatBuffer) -> [CheckpointPiece] {
        parameters.map {
            CheckpointPiece(group: group, name: $0.name, shape: $0.shape, values: flat[$0.range])
        }
    }
}
