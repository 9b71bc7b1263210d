import Checkpoints
import Reporting
import Storage

/// A model as it is handed on: a folder with one safetensors file, and where that does not record its job, the job as
/// `job.yaml` beside it.
public enum ModelFolder {
    /// A job as text, and where it stands.
    public typealias Job = (text: String, path: String)

    /// The names that `fpdm checkpoint export` gives.
    static let weights = "model.safetensors"
    static let job = "job.yaml"

    /// - Returns: nil where the path is no folder with a safetensors file.
    /// - Throws: `Failure`, usage, where there are several; `StorageError`.
    static func open(_ path: String) throws -> (weights: WeightsFile, job: Job?)? {
        guard try Files.exists(path), try Files.isDirectory(path) else { return nil }
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
        return (try WeightsFile.open("\(path)/\(name)"), text.map { ($0, beside) })
    }
}
