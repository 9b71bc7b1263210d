import Foundation
import Model
import Storage

/// What `config.json` of an autoencoder says, as diffusers writes it.
struct AutoencoderSettings: Decodable {
    let className: String?
    let activation: String?
    let downBlocks: [String]?
    let upBlocks: [String]?
    let inputs: Int?
    let outputs: Int?
    let latentChannels: Int?
    let widths: [Int]?
    let blocks: Int?
    let groups: Int?
    let scaling: Double?
    let shift: Double?
    let hasQuantConvolution: Bool?
    let hasPostQuantConvolution: Bool?
    let hasAttention: Bool?
    let latentMean: [Double]?
    let latentDeviation: [Double]?

    private enum CodingKeys: String, CodingKey {
        case className = "_class_name"
        case activation = "act_fn"
        case downBlocks = "down_block_types"
        case upBlocks = "up_block_types"
        case inputs = "in_channels"
        case outputs = "out_channels"
        case latentChannels = "latent_channels"
        case widths = "block_out_channels"
        case blocks = "layers_per_block"
        case groups = "norm_num_groups"
        case scaling = "scaling_factor"
        case shift = "shift_factor"
        case hasQuantConvolution = "use_quant_conv"
        case hasPostQuantConvolution = "use_post_quant_conv"
        case hasAttention = "mid_block_add_attention"
        case latentMean = "latents_mean"
        case latentDeviation = "latents_std"
    }

    /// The configuration that a file describes; what it leaves out is as diffusers takes it.
    ///
    /// - Throws: `StorageError`: `.missing` if there is none, `.malformed` if it is of something else, or of an autoencoder
    ///   with parts that this program does not have, which it names.
    static func configuration(_ path: String) throws -> AutoencoderConfiguration {
        let settings: AutoencoderSettings
        do {
            settings = try JSONDecoder().decode(
                AutoencoderSettings.self, from: Data(try Files.read(path, most: 1 << 20)))
        } catch let error as DecodingError {
            throw StorageError(.malformed, path, "is not the description of an autoencoder: \(reason(error))")
        }
        func refuse(_ message: String) -> StorageError { StorageError(.malformed, path, message) }
        if let name = settings.className, name != "AutoencoderKL" {
            throw refuse("_class_name is \(name), where AutoencoderKL is read")
        }
        if let activation = settings.activation, !["silu", "swish"].contains(activation) {
            throw refuse("act_fn is \(activation), where silu is known")
        }
        let c = settings.configuration
        for (field, types, known) in [
            ("down_block_types", settings.downBlocks, "DownEncoderBlock2D"),
            ("up_block_types", settings.upBlocks, "UpDecoderBlock2D"),
        ] {
            let types = types ?? [known]
            if let other = types.first(where: { $0 != known }) {
                throw refuse("\(field) has \(other), where \(known) is known")
            }
            guard types.count == c.widths.count else {
                throw refuse("\(field) names \(types.count) levels, and block_out_channels \(c.widths.count)")
            }
        }
        guard (settings.outputs ?? 3) == c.imageChannels else {
            throw refuse(
                "out_channels is \(settings.outputs ?? 3), and in_channels \(c.imageChannels): they must be the same")
        }
        for (field, values) in [("latents_mean", settings.latentMean), ("latents_std", settings.latentDeviation)]
        where values != nil {
            throw refuse("has \(field), a scaling channel by channel, where scaling_factor and shift_factor are known")
        }
        if let problem = c.problems.first { throw refuse("\(problem.field) \(problem.message)") }
        return c
    }

    private var configuration: AutoencoderConfiguration {
        var c = AutoencoderConfiguration()
        c.imageChannels = inputs ?? 3
        c.latentChannels = latentChannels ?? 4
        c.widths = widths ?? [64]
        c.blocks = blocks ?? 1
        c.groups = groups ?? 32
        c.scaling = scaling ?? 0.18215
        c.shift = shift ?? 0
        c.hasQuantConvolution = hasQuantConvolution ?? true
        c.hasPostQuantConvolution = hasPostQuantConvolution ?? true
        c.hasAttention = hasAttention ?? true
        return c
    }

    private static func reason(_ error: DecodingError) -> String {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context):
            "\(context.codingPath.map(\.stringValue).joined(separator: ".")): \(context.debugDescription)"
        case .dataCorrupted(let context): context.debugDescription
        @unknown default: "\(error)"
        }
    }
}
