import Compute
import Foundation
import Storage

/// A file of one set of weights for one network: safetensors under the published names, in float32, float16 or bfloat16.
public struct WeightsFile {
    /// A tensor that does not train: a file may hold it, with these values.
    public typealias FixedTensor = (name: String, shape: [Int], values: [Float])

    /// A job as text, and the path of what records it.
    public typealias Job = (text: String, place: String)

    private let file: SafeTensors
    /// Of the file's folder, where that is what was asked for.
    private let besideJob: Job?
    /// The network that `requireSame` was asked about.
    private let network = Spelling()

    private final class Spelling {
        var names: TensorNames?
    }

    private init(file: SafeTensors, beside: Job?) { (self.file, besideJob) = (file, beside) }

    public var path: String { file.path }
    /// The job whose network this is: what the file itself records, as one does that this program has written, or else
    /// what its model's folder holds; nil without either.
    public var job: Job? { file.metadata["job"].map { (text: $0, place: path) } ?? besideJob }
    /// The step after which the weights were as they are; nil where the file does not tell, or tells of no step there is.
    public var step: Int? { file.metadata["step"].flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 } }
    /// What kind of tensors they were in a checkpoint, `model` or `ema`; nil where the file does not tell.
    public var group: String? { file.metadata["weights"] }
    /// What the classes are called, by number; nil where the file does not tell.
    public var labelNames: [String]? {
        file.metadata[Self.labelNamesKey].flatMap { try? JSONDecoder().decode([String].self, from: Data($0.utf8)) }
    }
    /// Where label names stand in the metadata, as a JSON array.
    package static let labelNamesKey = "labelNames"

    /// Label names as they stand in the metadata.
    package static func text(ofLabelNames names: [String]) throws -> String {
        String(decoding: try JSONEncoder().encode(names), as: UTF8.self)
    }

    /// Names, types, shapes, metadata and the job beside it in short: equal for files that say the same of themselves.
    public var seal: String {
        let beside = besideJob.map { job in Array(job.text.utf8).withUnsafeBytes { CRC32C.of($0) }.hex }
        return "safetensors header, CRC-32C \(file.headerCRC.hex)" + (beside.map { ", job \($0)" } ?? "")
    }

    /// Whether a path is one of a file, not of a checkpoint's or a run's folder.
    ///
    /// - Throws: `StorageError` if that cannot be told.
    public static func isFile(_ path: String) throws -> Bool { try Files.exists(path) && !Files.isDirectory(path) }

    /// Opens a file and checks its header.
    ///
    /// - Throws: `StorageError`, `.missing` if there is none, `.malformed` if it is no such file or is truncated.
    public static func open(_ path: String) throws -> WeightsFile { try open(path, beside: nil) }

    static func open(_ path: String, beside job: Job?) throws -> WeightsFile {
        WeightsFile(file: try SafeTensors.open(path), beside: job)
    }

    /// Compares names, shapes and types with those of a network, and the values of tensors that do not train. Names may be
    /// spelled in any of the published ways (`TensorNames`).
    ///
    /// - Parameters:
    ///   - wanted: every tensor that must be there; their groups do not count.
    ///   - fixed: what may be there besides.
    /// - Throws: ``CheckpointError``, `.otherModel`, which names what is missing, unexpected, or of another shape or
    ///   type; `StorageError` if the file cannot be read.
    public func requireSame(_ wanted: [CheckpointExtent], fixed: [FixedTensor]) throws {
        let known = wanted.map { ($0.name, $0.shape) } + fixed.map { ($0.name, $0.shape) }
        let names = TensorNames(file.names, wanted: known.map(\.0))
        network.names = names
        let missing = wanted.map(\.name).filter { names[$0] == nil }
        let there = known.compactMap { name, shape in names[name].map { ($0, shape) } }
        let shapes = try (there + names.doubles.map { ($0.double, try file.shape(of: names[$0.name] ?? $0.double)) })
            .compactMap { name, shape -> String? in
                let found = try file.shape(of: name)
                return found == shape ? nil : "\(name) has shape \(found), not \(shape)"
            }
        let types = try there.compactMap { name, _ -> String? in
            let type = try file.type(of: name)
            return [.float32, .float16, .bfloat16].contains(type)
                ? nil : "\(name) holds \(type.rawValue), where F32, F16 and BF16 are taken"
        }
        try refuse([("lacks", missing), ("holds besides", names.unexpected), ("", shapes + types)])
        for tensor in fixed { if let name = names[tensor.name] { try requireEqual(tensor, name) } }
        for (name, double) in names.doubles where try file.read(names[name] ?? name) != file.read(double) {
            try refuse([
                ("", ["\(names[name] ?? name) and \(double) are two names of one tensor, and hold different values"])
            ])
        }
    }

    /// Reads tensors, or rows of them, as float32.
    ///
    /// - Parameter wanted: of a network that ``requireSame(_:fixed:)`` was asked about; their groups do not count.
    /// - Throws: `StorageError`: `.malformed` if a value is not finite, which nothing could go on with.
    public func load(_ wanted: [CheckpointPiece]) throws {
        for piece in wanted where piece.values.count > 0 {
            let extent = piece.extent
            try file.read(
                network.names?[extent.name] ?? extent.name,
                from: extent.rows.lowerBound * (extent.count / extent.rows.count),
                into: piece.values.writable)
            guard piece.values.readable.allSatisfy(\.isFinite) else {
                throw StorageError(.malformed, path, "tensor \(extent.name): holds values that are not finite")
            }
        }
    }

    /// Trained positions, say, in place of the fixed ones make another network, though all shapes agree.
    private func requireEqual(_ tensor: FixedTensor, _ name: String) throws {
        let found = try file.read(name)
        let tolerance: Float =
            switch try file.type(of: name) {
            case .float16: 1e-3
            case .bfloat16: 1e-2
            default: 1e-5
            }
        // Also not where one is NaN.
        guard zip(found, tensor.values).allSatisfy({ abs($0 - $1) <= tolerance }) else {
            return try refuse([("", ["\(tensor.name) holds other values than this program's, which are fixed"])])
        }
    }

    private func refuse(_ faults: [(verb: String, items: [String])]) throws {
        let lines = faults.map { CheckpointReader.list($0.verb, $0.items) }.filter { !$0.isEmpty }
        guard !lines.isEmpty else { return }
        throw CheckpointError(.otherModel, path, "holds weights of another model: \(lines.joined(separator: "; "))")
    }
}
