import Compute

/// From latents to images.
public final class ImageDecoder {
    public let configuration: AutoencoderConfiguration
    private let pass: AutoencoderPass
    private let quant: ConvolutionLayer?
    private let start: ConvolutionLayer
    private let middle: MiddleBlocks
    private let levels: [(blocks: [ResidualBlock], doubling: ConvolutionLayer?)]
    private let end: ConvolutionLayer

    /// - Parameter weights: of the decoder.
    public init(_ configuration: AutoencoderConfiguration, engine: Engine, weights: AutoencoderWeights) {
        precondition(weights.table.half == .decoder, "weights of the other half")
        let c = configuration
        self.configuration = c
        let pass = AutoencoderPass(engine, groups: c.groups, weights)
        self.pass = pass
        quant =
            c.hasPostQuantConvolution
            ? pass.convolution("post_quant_conv", c.latentChannels, c.latentChannels, .same(kernel: 1)) : nil
        var width = c.widths[c.widths.count - 1]
        start = pass.convolution("decoder.conv_in", c.latentChannels, width)
        middle = MiddleBlocks(pass, "decoder.mid_block", width, hasAttention: c.hasAttention)
        levels = c.widths.reversed().enumerated().map { level, next in
            let blocks = (0...c.blocks).map { block in
                defer { width = next }
                return ResidualBlock(pass, "decoder.up_blocks.\(level).resnets.\(block)", width, next)
            }
            let isLast = level == c.widths.count - 1
            return (
                blocks,
                isLast
                    ? nil : pass.convolution("decoder.up_blocks.\(level).upsamplers.0.conv", next, next, .doubling)
            )
        }
        end = pass.convolution("decoder.conv_out", width, c.imageChannels)
    }

    /// The most bytes of feature maps so far.
    public var peakBytes: Int { pass.memory.peakBytes }

    /// Decodes latents; what one becomes does not depend on the others.
    ///
    /// - Parameters:
    ///   - latents: [count, L, height, width], as the encoder's moments give them: not scaled.
    ///   - images: takes [count, C, f height, f width], f being the configuration's `factor`; about in [-1, 1].
    public func decode(_ latents: FloatBuffer, count: Int, height: Int, width: Int, into images: FloatBuffer) {
        let c = configuration
        precondition(height > 0 && width > 0, "a latent without pixels")
        let values = c.latentChannels * height * width
        let pixels = height * c.factor * width * c.factor
        let imageValues = c.imageChannels * pixels
        ImageBatches.forEach(count, pixels: pixels) { range in
            var map = pass.memory.map(
                samples: range.count, height: height, width: width, channels: c.latentChannels)
            map.load(latents.slice(range.lowerBound * values, range.count * values))
            if let quant { map = pass.run(quant, consuming: map) }
            map = pass.run(start, consuming: map)
            map = middle.run(pass, map)
            for level in levels {
                for block in level.blocks { map = block.run(pass, map) }
                if let doubling = level.doubling { map = pass.run(doubling, consuming: map) }
            }
            map = pass.run(end, consuming: map, norm: pass.norm("decoder.conv_norm_out", map))
            map.store(into: images.slice(range.lowerBound * imageValues, range.count * imageValues))
            pass.memory.release(map)
        }
    }
}
