import Reporting
import Storage

/// A model as it is handed on: a folder with one safetensors file, and where that does not record its job, the job as
/// `job.yaml` beside it.
public enum ModelFolder {
    /// The names that `fpdm checkpoint export` gives.
    public static let weights = "model.safetensors"
    public static let job = "job.yaml"

    /// The file of weights that a folder stands for.
    ///
    /// - Returns: nil where the path is no folder, the folder of a checkpoint or a run, or holds no safetensors file.
    /// - Throws: `Failure`, usage, where there are several and none has the usual name; `StorageError`.
    static func open(_ path: String) throws -> WeightsFile? {
        guard try Files.exists(path), try Files.isDirectory(path) else { return nil }
        // Weights that were written into a run's folder do not stand for the run.
        let isRun = try Files.exists("\(path)/\(CheckpointNames.folder)")
        guard !isRun, try !CheckpointStore.isCheckpoint(path) else { return nil }
        let names = try Files.names(in: path).filter { $0.hasSuffix(".safetensors") && !$0.hasPrefix(".") }.sorted()
        guard let name = names.count > 1 ? names.first(where: { $0 == weights }) : names.first else {
            guard names.isEmpty else {
                throw Failure(
                    .usage, "\(path): holds several files of weights: \(names.joined(separator: ", ")); name one")
            }
            return nil
        }
        let beside = "\(path)/\(job)"
        let text = try Files.exists(beside) ? String(decoding: try Files.read(beside), as: UTF8.self) : nil
        return try WeightsFile.open("\(path)/\(name)", beside: text.map { ($0, beside) })
    }
}

extension WeightsFile {
    /// The file of weights that a person means by a path: the file itself, or that of a model's folder.
    ///
    /// Every command that takes weights asks here.
    ///
    /// - Returns: nil where the path stands for no such file; it may be a checkpoint's or a run's.
    /// - Throws: `StorageError`, where it is a file and no safetensors file; `Failure`, usage, for a folder with several.
    public static func find(_ path: String) throws -> WeightsFile? {
        try isFile(path) ? open(path) : ModelFolder.open(path)
    }

    /// As `find`, for commands that take nothing else.
    ///
    /// - Throws: `StorageError`, `.missing`, where there is nothing of the kind.
    public static func required(_ path: String) throws -> WeightsFile {
        if let file = try find(path) { return file }
        guard try Files.exists(path) else { return try open(path) }
        throw StorageError(
            .missing, path,
            "holds no safetensors file; give the file, or a model's folder with \(ModelFolder.weights) in it")
    }
}
