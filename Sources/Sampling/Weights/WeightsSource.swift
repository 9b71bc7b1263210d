import Checkpoints
import Compute
import Jobs
import Model
import Reporting
import Storage

/// What a network with its weights is taken from: a checkpoint, or a file of one set of weights that records its job, or
/// has it beside it in a folder of its own.
public enum WeightsSource {
    case checkpoint(CheckpointReader)
    case file(WeightsFile)

    /// Opens a file, or the checkpoint or model that a folder stands for.
    ///
    /// - Parameter skipped: is told of each later checkpoint that is damaged.
    /// - Throws: `CheckpointError`, `StorageError`.
    public static func open(
        _ path: String, skipped: (CheckpointStore.Skipped) -> Void
    ) throws -> WeightsSource {
        if let weights = try WeightsFile.find(path) { return .file(weights) }
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

    /// What the classes are called, by number; nil where it is not recorded.
    public var labelNames: [String]? {
        switch self {
        case .checkpoint(let reader): reader.metadata.labelNames
        case .file(let file): file.labelNames
        }
    }

    /// The job that is recorded, with keys of its sampling section overridden, or the variance of steps of a network that
    /// was trained without one.
    ///
    /// - Parameters:
    ///   - overrides: `sampling.key=value` each, or `diffusion.fixedVariance=value`.
    ///   - described: the path of a job file that says what network the weights are of; nil: what is recorded does.
    /// - Throws: `JobErrors`; `Failure`: usage for a key of another section, bad data where there is no job, or one of
    ///   another network.
    public func job(overriding overrides: [String] = [], describedBy described: String? = nil) throws
        -> JobConfiguration
    {
        let free = ["sampling.", "diffusion.fixedVariance="]
        if let other = overrides.first(where: { override in !free.contains(where: override.hasPrefix) }) {
            throw Failure(
                .usage,
                "--set \(other): what was trained stays; only keys of the sampling section, and diffusion.fixedVariance, "
                    + "can be others")
        }
        let recorded: WeightsFile.Job? =
            switch self {
            case .checkpoint(let reader): (reader.metadata.jobYAML, reader.path)
            case .file(let file): file.job
            }
        if let described {
            let job = try JobConfiguration.load(path: described, overrides: overrides)
            try job.model.requireNetwork(recordedIn: recorded?.text, of: path)
            return job
        }
        guard let recorded else {
            throw Failure(
                .badData,
                "\(path): does not say what network its weights are of; name a job file that does with --job, lay it "
                    + "beside the weights in a folder as \(ModelFolder.job), or make a checkpoint of both: "
                    + "fpdm checkpoint import \(path) --job JOB.yaml --output RUN")
        }
        return try JobConfiguration.recorded(recorded.text, in: recorded.place, overrides: overrides)
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
