import Compute

/// From images to the moments of their latents.
public final class ImageEncoder {
    public let configuration: AutoencoderConfiguration
    private let pass: AutoencoderPass
    private let start: ConvolutionLayer
    private let levels: [(blocks: [ResidualBlock], halving: ConvolutionLayer?)]
    private let middle: MiddleBlocks
    private let end: ConvolutionLayer
    private let quant: ConvolutionLayer?

    /// Bounds of the logarithm of a latent's variance.
    static let logVarianceLimit: ClosedRange<Float> = -30...20

    /// - Parameter weights: of the encoder.
    public init(_ configuration: AutoencoderConfiguration, engine: Engine, weights: AutoencoderWeights) {
        precondition(weights.table.half == .encoder, "weights of the other half")
        let c = configuration
        self.configuration = c
        let pass = AutoencoderPass(engine, groups: c.groups, weights)
        self.pass = pass
        start = pass.convolution("encoder.conv_in", c.imageChannels, c.widths[0])
        var width = c.widths[0]
        levels = c.widths.enumerated().map { level, next in
            let blocks = (0..<c.blocks).map { block in
                defer { width = next }
                return ResidualBlock(pass, "encoder.down_blocks.\(level).resnets.\(block)", width, next)
            }
            let isLast = level == c.widths.count - 1
            return (
                blocks,
                isLast
                    ? nil
                    : pass.convolution("encoder.down_blocks.\(level).downsamplers.0.conv", next, next, .halving)
            )
        }
        middle = MiddleBlocks(pass, "encoder.mid_block", width, hasAttention: c.hasAttention)
        end = pass.convolution("encoder.conv_out", width, 2 * c.latentChannels)
        quant =
            c.hasQuantConvolution
            ? pass.convolution("quant_conv", 2 * c.latentChannels, 2 * c.latentChannels, .same(kernel: 1)) : nil
    }

    /// The most bytes of feature maps so far.
    public var peakBytes: Int { pass.memory.peakBytes }

    /// Values of one image's moments.
    public func momentValues(height: Int, width: Int) -> Int {
        2 * configuration.latentChannels * configuration.latentSide(height) * configuration.latentSide(width)
    }

    /// Encodes images; what one becomes does not depend on the others.
    ///
    /// - Parameters:
    ///   - images: [count, C, height, width] in [-1, 1]; at least one pixel of the latent each way.
    ///   - moments: takes [count, 2 L, h, w]: the means, then the logarithms of the variances, within -30 and 20.
    public func encode(_ images: FloatBuffer, count: Int, height: Int, width: Int, into moments: FloatBuffer) {
        let c = configuration
        precondition(c.latentSide(height) > 0 && c.latentSide(width) > 0, "an image smaller than a latent's pixel")
        let (imageValues, values) = (c.imageChannels * height * width, momentValues(height: height, width: width))
        ImageBatches.forEach(count, pixels: height * width) { range in
            var map = pass.memory.map(samples: range.count, height: height, width: width, channels: c.imageChannels)
            map.load(images.slice(range.lowerBound * imageValues, range.count * imageValues))
            map = pass.run(start, consuming: map)
            for level in levels {
                for block in level.blocks { map = block.run(pass, map) }
                if let halving = level.halving { map = pass.run(halving, consuming: map) }
            }
            map = middle.run(pass, map)
            map = pass.run(end, consuming: map, norm: pass.norm("encoder.conv_norm_out", map))
            if let quant { map = pass.run(quant, consuming: map) }
            let own = moments.slice(range.lowerBound * values, range.count * values)
            map.store(into: own)
            pass.memory.release(map)
            let limit = Self.logVarianceLimit
            for sample in 0..<range.count {
                for i in sample * values + values / 2..<(sample + 1) * values {
                    own[i] = min(max(own[i], limit.lowerBound), limit.upperBound)
                }
            }
        }
    }
}
