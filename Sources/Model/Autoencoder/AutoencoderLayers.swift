import Compute

/// What the layers of one half are made and run with.
final class AutoencoderPass {
    let engine: Engine
    let groups: Int
    let weights: AutoencoderWeights
    let memory = FeatureMemory()
    let scratch: ConvolutionScratch

    init(_ engine: Engine, groups: Int, _ weights: AutoencoderWeights) {
        self.engine = engine
        self.groups = groups
        self.weights = weights
        scratch = ConvolutionScratch(engine)
    }

    func convolution(
        _ name: String, _ inputs: Int, _ outputs: Int, _ geometry: ConvolutionLayer.Geometry = .same(kernel: 3)
    ) -> ConvolutionLayer {
        ConvolutionLayer(
            engine, inputs: inputs, outputs: outputs, geometry, weights: weights("\(name).weight"),
            bias: weights("\(name).bias"))
    }

    /// A group norm of the published epsilon over a map whose sums are known.
    func norm(_ name: String, _ map: FeatureMap, silu: Bool = true) -> ChannelNorm {
        ChannelNorm(
            map, groups: groups, epsilon: 1e-6, scale: weights("\(name).weight"), shift: weights("\(name).bias"),
            appliesSiLU: silu)
    }

    /// The output of a layer in memory of its own.
    func run(
        _ layer: ConvolutionLayer, _ input: FeatureMap, norm: ChannelNorm? = nil, residual: FeatureMap? = nil
    ) -> FeatureMap {
        let output = memory.map(
            samples: input.samples, height: layer.geometry.side(input.height), width: layer.geometry.side(input.width),
            channels: layer.outputs)
        layer.run(input, norm: norm, residual: residual, into: output, scratch: scratch)
        return output
    }

    /// The same, where nobody reads the input any more.
    func run(_ layer: ConvolutionLayer, consuming input: FeatureMap, norm: ChannelNorm? = nil) -> FeatureMap {
        let output = run(layer, input, norm: norm)
        memory.release(input)
        return output
    }
}

/// Norm, SiLU, convolution, twice, added to the input.
struct ResidualBlock {
    let name: String
    let first, second: ConvolutionLayer
    /// 1 x 1, where the channels change.
    let shortcut: ConvolutionLayer?

    init(_ pass: AutoencoderPass, _ name: String, _ inputs: Int, _ outputs: Int) {
        self.name = name
        first = pass.convolution("\(name).conv1", inputs, outputs)
        second = pass.convolution("\(name).conv2", outputs, outputs)
        shortcut =
            inputs == outputs
            ? nil : pass.convolution("\(name).conv_shortcut", inputs, outputs, .same(kernel: 1))
    }

    /// - Returns: the output, in the input's memory where there is no shortcut; the input is gone either way.
    func run(_ pass: AutoencoderPass, _ input: FeatureMap) -> FeatureMap {
        let hidden = pass.run(first, input, norm: pass.norm("\(name).norm1", input))
        let output = shortcut.map { pass.run($0, consuming: input) } ?? input
        second.run(
            hidden, norm: pass.norm("\(name).norm2", hidden), residual: output, into: output, scratch: pass.scratch)
        pass.memory.release(hidden)
        return output
    }
}

/// Norm and attention of every pixel to every other, added to the input.
struct AttentionBlock {
    let name: String
    let query, key, value, output: ConvolutionLayer
    let attention: ImageAttention

    init(_ pass: AutoencoderPass, _ name: String, _ channels: Int) {
        self.name = name
        func layer(_ part: String) -> ConvolutionLayer {
            pass.convolution("\(name).\(part)", channels, channels, .same(kernel: 1))
        }
        (query, key, value, output) = (layer("to_q"), layer("to_k"), layer("to_v"), layer("to_out.0"))
        attention = ImageAttention(pass.engine, channels: channels)
    }

    /// Changes the input.
    func run(_ pass: AutoencoderPass, _ input: FeatureMap) {
        let norm = pass.norm("\(name).group_norm", input, silu: false)
        let parts = [query, key, value].map { pass.run($0, input, norm: norm) }
        attention.run(queries: parts[0], keys: parts[1], values: parts[2])
        output.run(parts[0], residual: input, into: input, scratch: pass.scratch)
        for part in parts { pass.memory.release(part) }
    }
}

/// The blocks between the levels down and the levels up.
struct MiddleBlocks {
    let first, second: ResidualBlock
    let attention: AttentionBlock?

    init(_ pass: AutoencoderPass, _ name: String, _ channels: Int, hasAttention: Bool) {
        first = ResidualBlock(pass, "\(name).resnets.0", channels, channels)
        attention = hasAttention ? AttentionBlock(pass, "\(name).attentions.0", channels) : nil
        second = ResidualBlock(pass, "\(name).resnets.1", channels, channels)
    }

    func run(_ pass: AutoencoderPass, _ input: FeatureMap) -> FeatureMap {
        let map = first.run(pass, input)
        attention?.run(pass, map)
        return second.run(pass, map)
    }
}
