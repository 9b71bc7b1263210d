import Compute
import Model
import Storage

/// An autoencoder as diffusers keeps it: a folder with `config.json` and `diffusion_pytorch_model.safetensors`.
public struct AutoencoderFolder {
    public let path: String
    public let configuration: AutoencoderConfiguration
    private let file: SafeTensors

    private static let weightsName = "diffusion_pytorch_model.safetensors"

    /// Opens a folder, or the folder `vae` of a whole Stable Diffusion model, and reads its description.
    ///
    /// - Throws: `StorageError`: `.missing` if there is no such folder or a file of it, `.malformed` if they are not of an
    ///   autoencoder that this program knows.
    public init(_ path: String) throws {
        func refuse(_ problem: String) -> StorageError {
            StorageError(
                .missing, path, "\(problem); an autoencoder is a folder with config.json and \(Self.weightsName)")
        }
        guard try Files.exists(path) else { throw refuse("there is no such folder") }
        guard try Files.isDirectory(path) else { throw refuse("is a file; give the folder it is in") }
        let inner = "\(path)/vae"
        let isInner = try !Files.exists("\(path)/config.json") && Files.exists("\(inner)/config.json")
        let folder = isInner ? inner : path
        guard try Files.exists("\(folder)/config.json") else { throw refuse("holds no config.json") }
        configuration = try AutoencoderSettings.configuration("\(folder)/config.json")
        let weights = "\(folder)/\(Self.weightsName)"
        if try !Files.exists(weights), try Files.exists("\(folder)/diffusion_pytorch_model.bin") {
            throw StorageError(
                .missing, weights,
                "there is no such file, only diffusion_pytorch_model.bin, a pickle, which is not read; save the model from "
                    + "diffusers with safe_serialization=True")
        }
        file = try SafeTensors.open(weights)
        self.path = folder
    }

    /// CRC-32C of the file of weights, eight hexadecimal digits: tells one autoencoder from another.
    ///
    /// - Throws: `StorageError` if it cannot be read.
    public func digest() throws -> String { try CRC32C.of(file: file.path).hex }

    /// Reads the weights of one half.
    ///
    /// - Throws: `StorageError`, `.malformed`, which names all tensors that are missing or of another shape, and one that
    ///   holds no numbers or others than finite ones.
    public func weights(_ half: AutoencoderTable.Half) throws -> AutoencoderWeights {
        let table = AutoencoderTable(configuration, half)
        var names: [String] = []
        var (missing, misshapen): ([String], [String]) = ([], [])
        for tensor in table.tensors {
            let name = [tensor.name, tensor.earlierName].compactMap { $0 }.first { file.contains($0) }
            guard let name else {
                missing.append(tensor.name)
                continue
            }
            let shape = try file.shape(of: name)
            if !tensor.takes(shape) { misshapen.append("\(name) has shape \(shape), not \(tensor.shape)") }
            names.append(name)
        }
        let faults = [Self.list("lacks ", missing), Self.list("", misshapen)].compactMap { $0 }
        guard faults.isEmpty else {
            throw StorageError(
                .malformed, file.path,
                "is not of the autoencoder that config.json describes: \(faults.joined(separator: "; "))")
        }
        let weights = AutoencoderWeights(table)
        for (tensor, name) in zip(table.tensors, names) {
            let values = weights.values[tensor.range]
            try file.read(name, into: values.writable)
            guard values.readable.allSatisfy(\.isFinite) else {
                throw StorageError(.malformed, file.path, "tensor \(name): holds values that are not finite")
            }
        }
        return weights
    }

    /// The encoder, its weights read.
    public func encoder(_ engine: Engine) throws -> ImageEncoder {
        ImageEncoder(configuration, engine: engine, weights: try weights(.encoder))
    }

    /// The decoder, its weights read.
    public func decoder(_ engine: Engine) throws -> ImageDecoder {
        ImageDecoder(configuration, engine: engine, weights: try weights(.decoder))
    }

    /// The first of some faults, and how many more there are; nil without any.
    private static func list(_ verb: String, _ items: [String]) -> String? {
        guard !items.isEmpty else { return nil }
        let rest = items.count > 3 ? " and \(items.count - 3) more" : ""
        return verb + items.prefix(3).joined(separator: ", ") + rest
    }
}
