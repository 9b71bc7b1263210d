import Compute
import Foundation
import Model
import Storage
import TestSupport
import Testing

@testable import Sampling

@Suite("Autoencoders in folders")
struct AutoencoderFolderTests {
    private static let reference = "\(repository)/Tests/reference/vae-odd"
    private static let weights = "diffusion_pytorch_model.safetensors"

    /// A copy of a folder, whose description is changed.
    private func copy(_ folder: TestFolder, _ change: (inout [String: Any]) -> Void = { _ in }) throws -> String {
        let path = folder("vae")
        try AtomicFile.createDirectory(path)
        try AtomicFile.write(try Files.read("\(Self.reference)/\(Self.weights)"), to: "\(path)/\(Self.weights)")
        let text = Data(try Files.read("\(Self.reference)/config.json"))
        var config = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
        change(&config)
        try AtomicFile.write(Array(try JSONSerialization.data(withJSONObject: config)), to: "\(path)/config.json")
        return path
    }

    private func refused(
        _ words: String, half: AutoencoderTable.Half = .encoder, _ change: @escaping (inout [String: Any]) -> Void
    ) throws {
        let folder = try TestFolder()
        let path = try copy(folder, change)
        let error = try #require(throws: StorageError.self) { _ = try AutoencoderFolder(path).weights(half) }
        #expect(error.kind == .malformed && error.message.contains(words), "\(error)")
    }

    @Test func settings() throws {
        let folder = try TestFolder()
        let c = try AutoencoderFolder(try copy(folder)).configuration
        #expect(c.widths == [12, 20] && c.groups == 4 && c.blocks == 1 && c.latentChannels == 4 && c.factor == 2)
        #expect(c.scaling == 0.18215 && c.shift == 0 && c.hasAttention && c.hasQuantConvolution)
        let blocks = try AutoencoderFolder("\(repository)/Tests/reference/vae-blocks").configuration
        #expect(!blocks.hasQuantConvolution && !blocks.hasPostQuantConvolution)
        #expect(blocks.scaling == 0.3611 && blocks.shift == 0.1159 && blocks.latentSide(33) == 16)
    }

    @Test("what is not known is named")
    func refusals() throws {
        try refused("_class_name is VQModel") { $0["_class_name"] = "VQModel" }
        try refused("act_fn is relu") { $0["act_fn"] = "relu" }
        try refused("AttnDownEncoderBlock2D") {
            $0["down_block_types"] = ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]
        }
        try refused("names 1 levels") { $0["up_block_types"] = ["UpDecoderBlock2D"] }
        try refused("multiples of norm_num_groups (5)") { $0["norm_num_groups"] = 5 }
        try refused("latents_std") { $0["latents_std"] = [1.0, 2.0] }
        try refused("scaling_factor") { $0["scaling_factor"] = 0 }
        try refused("out_channels is 1") { $0["out_channels"] = 1 }
        try refused("not the description") { $0["block_out_channels"] = "many" }
        // Of another network than the file of weights.
        try refused("lacks encoder.down_blocks.0.resnets.1.norm1.weight") { $0["layers_per_block"] = 2 }
        try refused("encoder.conv_out.weight has shape [8, 20, 3, 3], not [12, 20, 3, 3]") { $0["latent_channels"] = 6 }
        try refused("decoder.conv_in.weight", half: .decoder) { $0["latent_channels"] = 6 }
    }

    @Test("folders without what they need")
    func missing() throws {
        let folder = try TestFolder()
        #expect(throws: StorageError.self) { try AutoencoderFolder(folder("nowhere")) }
        let path = try copy(folder)
        try AtomicFile.removeTree("\(path)/\(Self.weights)")
        try AtomicFile.write([1], to: "\(path)/diffusion_pytorch_model.bin")
        let error = try #require(throws: StorageError.self) { try AutoencoderFolder(path) }
        #expect(error.kind == .missing && error.message.contains("safe_serialization"))
    }

    @Test("the folder of a whole model has one in it")
    func inner() throws {
        let folder = try TestFolder()
        _ = try copy(folder)
        #expect(try AutoencoderFolder(folder.path).path == folder("vae"))
    }

    @Test("an image's moments and a latent's image do not depend on what else is there")
    func alone() throws {
        let engine = try Arithmetic.oneDNN.engine()
        let folder = try AutoencoderFolder(Self.reference)
        let (encoder, decoder) = (try folder.encoder(engine), try folder.decoder(engine))
        let (height, width, count) = (19, 42, 3)
        let images = randomFloats(count * 3 * height * width, seed: 1)
        withMemory { memory in
            let values = encoder.momentValues(height: height, width: width)
            let moments = memory.zeros(count * values)
            encoder.encode(memory.floats(images), count: count, height: height, width: width, into: moments)
            let last = memory.zeros(values)
            encoder.encode(
                memory.floats(Array(images.suffix(3 * height * width))), count: 1, height: height, width: width,
                into: last)
            expectSameBits(last.array, Array(moments.array.suffix(values)), "moments")
            let (h, w) = (height / 2, width / 2)
            let latents = randomFloats(count * 4 * h * w, seed: 2)
            let decoded = memory.zeros(count * 3 * 4 * h * w)
            decoder.decode(memory.floats(latents), count: count, height: h, width: w, into: decoded)
            let own = memory.zeros(3 * 4 * h * w)
            decoder.decode(memory.floats(Array(latents.suffix(4 * h * w))), count: 1, height: h, width: w, into: own)
            expectSameBits(own.array, Array(decoded.array.suffix(own.count)), "image")
        }
    }

    @Test("latents of a model are unscaled before they are decoded")
    func decoder() throws {
        let engine = try Arithmetic.oneDNN.engine()
        let folder = try AutoencoderFolder("\(repository)/Tests/reference/vae-blocks")
        var model = ModelConfiguration()
        (model.imageSize, model.channels) = (6, 6)
        let decoder = try LatentDecoder(folder, for: model, engine: engine)
        #expect(decoder.side == 12 && decoder.channels == 3)
        let latents = randomFloats(2 * 6 * 36, seed: 1)
        try withMemory { memory in
            let plain = memory.zeros(2 * decoder.imageValues)
            let unscaled = latents.map { $0 / 0.3611 + 0.1159 }
            try folder.decoder(engine).decode(memory.floats(unscaled), count: 2, height: 6, width: 6, into: plain)
            expectSameBits(decoder.images(latents), plain.array, "decoded")
        }
        model.channels = 4
        #expect(throws: (any Error).self) { try LatentDecoder(folder, for: model, engine: engine) }
    }
}
