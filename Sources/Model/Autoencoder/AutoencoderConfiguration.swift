/// The shape of a variational autoencoder of images: the AutoencoderKL of latent diffusion (arXiv 2112.10752), as the
/// Stable Diffusion models have it.
public struct AutoencoderConfiguration: Equatable, Sendable {
    /// Channels of images: 3.
    public var imageChannels = 3
    /// Channels of latents.
    public var latentChannels = 4
    /// Channels of each level, the finest first. Each level but the last halves the image.
    public var widths = [128, 256, 512, 512]
    /// Residual blocks of a level of the encoder; the decoder has one more.
    public var blocks = 2
    /// Of the group norms.
    public var groups = 32
    /// Whether attention stands between the two blocks in the middle.
    public var hasAttention = true
    /// Whether 1 x 1 convolutions stand behind the encoder and before the decoder.
    public var hasQuantConvolution = true
    public var hasPostQuantConvolution = true
    /// A latent less `shift`, times `scaling`, is what a diffusion model sees.
    public var scaling = 0.18215
    public var shift = 0.0

    public init() {}

    /// Pixels of an image for one of a latent, each way.
    public var factor: Int { 1 << (widths.count - 1) }

    /// The latent's side for an image's: each halving drops the last pixel of an odd side.
    public func latentSide(_ image: Int) -> Int { image >> (widths.count - 1) }

    public static let channelsLimit = 1...64
    public static let widthLimit = 1...8_192
    public static let levelsLimit = 1...8
    public static let blocksLimit = 1...16

    /// A setting that cannot be.
    public struct Problem: Equatable, Sendable {
        /// As diffusers' `config.json` names it.
        public let field: String
        public let message: String
    }

    /// What is wrong with it; empty if nothing is.
    public var problems: [Problem] {
        var found: [Problem] = []
        func require(_ condition: Bool, _ field: String, _ message: @autoclosure () -> String) {
            if !condition { found.append(Problem(field: field, message: message())) }
        }
        require(
            Self.channelsLimit ~= imageChannels, "in_channels", "must be from 1 to 64, is \(imageChannels)")
        require(
            Self.channelsLimit ~= latentChannels, "latent_channels", "must be from 1 to 64, is \(latentChannels)")
        require(
            Self.levelsLimit ~= widths.count, "block_out_channels",
            "must name from 1 to 8 levels, names \(widths.count)")
        require(Self.blocksLimit ~= blocks, "layers_per_block", "must be from 1 to 16, is \(blocks)")
        require(groups >= 1, "norm_num_groups", "must be 1 or more, is \(groups)")
        for width in widths {
            require(Self.widthLimit ~= width, "block_out_channels", "must be from 1 to 8192 each, one is \(width)")
            require(
                groups < 1 || width % groups == 0, "block_out_channels",
                "must be multiples of norm_num_groups (\(groups)), one is \(width)")
        }
        require(scaling.isFinite && scaling != 0, "scaling_factor", "must be a number other than 0, is \(scaling)")
        require(shift.isFinite, "shift_factor", "must be a number, is \(shift)")
        return found
    }
}
