import Compute

/// The tensors of an autoencoder's encoder or decoder: their published names, shapes, and places in one flat vector.
public struct AutoencoderTable: Sendable {
    /// Which half of it.
    public enum Half: String, CaseIterable, Sendable {
        case encoder, decoder
    }

    public struct Tensor: Equatable, Sendable {
        /// As diffusers writes it today.
        public let name: String
        public let shape: [Int]
        public let range: Range<Int>

        /// The name that files of earlier versions have, where it was another: of the attention's layers.
        public var earlierName: String? {
            for (now, earlier) in [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")] {
                for part in ["weight", "bias"] where name.hasSuffix(".\(now).\(part)") {
                    return String(name.dropLast("\(now).\(part)".count)) + "\(earlier).\(part)"
                }
            }
            return nil
        }

        /// Whether a tensor of another shape has the same values in the same order: layers of attention were 1 x 1
        /// convolutions in files of the original program.
        public func takes(_ other: [Int]) -> Bool {
            func trimmed(_ shape: [Int]) -> ArraySlice<Int> {
                shape.count == 4 && shape.suffix(2) == [1, 1] ? shape.dropLast(2) : shape[...]
            }
            return other == shape || trimmed(other) == trimmed(shape)
        }
    }

    public let half: Half
    public private(set) var tensors: [Tensor] = []
    private var byName: [String: Int] = [:]
    public private(set) var count = 0

    public init(_ c: AutoencoderConfiguration, _ half: Half) {
        precondition(c.problems.isEmpty, "an autoencoder that cannot be")
        self.half = half
        switch half {
        case .encoder: addEncoder(c)
        case .decoder: addDecoder(c)
        }
    }

    /// The place of a tensor that is known to be there.
    func range(_ name: String) -> Range<Int> {
        guard let index = byName[name] else { preconditionFailure("no tensor \(name)") }
        return tensors[index].range
    }

    private mutating func add(_ name: String, _ shape: [Int]) {
        let length = shape.reduce(1, *)
        byName[name] = tensors.count
        tensors.append(Tensor(name: name, shape: shape, range: count..<count + length))
        // Each starts on a cache line.
        count += (length + 15) / 16 * 16
    }

    private mutating func addConvolution(_ name: String, _ inputs: Int, _ outputs: Int, kernel: Int) {
        add("\(name).weight", [outputs, inputs, kernel, kernel])
        add("\(name).bias", [outputs])
    }

    private mutating func addNorm(_ name: String, _ channels: Int) {
        add("\(name).weight", [channels])
        add("\(name).bias", [channels])
    }

    private mutating func addBlock(_ name: String, _ inputs: Int, _ outputs: Int) {
        addNorm("\(name).norm1", inputs)
        addConvolution("\(name).conv1", inputs, outputs, kernel: 3)
        addNorm("\(name).norm2", outputs)
        addConvolution("\(name).conv2", outputs, outputs, kernel: 3)
        if inputs != outputs { addConvolution("\(name).conv_shortcut", inputs, outputs, kernel: 1) }
    }

    private mutating func addMiddle(_ name: String, _ c: AutoencoderConfiguration, _ width: Int) {
        addBlock("\(name).resnets.0", width, width)
        if c.hasAttention {
            addNorm("\(name).attentions.0.group_norm", width)
            for layer in ["to_q", "to_k", "to_v", "to_out.0"] {
                add("\(name).attentions.0.\(layer).weight", [width, width])
                add("\(name).attentions.0.\(layer).bias", [width])
            }
        }
        addBlock("\(name).resnets.1", width, width)
    }

    private mutating func addEncoder(_ c: AutoencoderConfiguration) {
        let (first, last) = (c.widths[0], c.widths[c.widths.count - 1])
        addConvolution("encoder.conv_in", c.imageChannels, first, kernel: 3)
        var width = first
        for (level, next) in c.widths.enumerated() {
            for block in 0..<c.blocks {
                addBlock("encoder.down_blocks.\(level).resnets.\(block)", width, next)
                width = next
            }
            if level < c.widths.count - 1 {
                addConvolution("encoder.down_blocks.\(level).downsamplers.0.conv", next, next, kernel: 3)
            }
        }
        addMiddle("encoder.mid_block", c, last)
        addNorm("encoder.conv_norm_out", last)
        addConvolution("encoder.conv_out", last, 2 * c.latentChannels, kernel: 3)
        if c.hasQuantConvolution { addConvolution("quant_conv", 2 * c.latentChannels, 2 * c.latentChannels, kernel: 1) }
    }

    private mutating func addDecoder(_ c: AutoencoderConfiguration) {
        let (first, last) = (c.widths[0], c.widths[c.widths.count - 1])
        if c.hasPostQuantConvolution {
            addConvolution("post_quant_conv", c.latentChannels, c.latentChannels, kernel: 1)
        }
        addConvolution("decoder.conv_in", c.latentChannels, last, kernel: 3)
        addMiddle("decoder.mid_block", c, last)
        var width = last
        for (level, next) in c.widths.reversed().enumerated() {
            for block in 0...c.blocks {
                addBlock("decoder.up_blocks.\(level).resnets.\(block)", width, next)
                width = next
            }
            if level < c.widths.count - 1 {
                addConvolution("decoder.up_blocks.\(level).upsamplers.0.conv", next, next, kernel: 3)
            }
        }
        addNorm("decoder.conv_norm_out", first)
        addConvolution("decoder.conv_out", first, c.imageChannels, kernel: 3)
    }
}

/// Weights of one half of an autoencoder, with their memory.
public final class AutoencoderWeights {
    public let table: AutoencoderTable
    /// A flat vector; valid as long as this object.
    public let values: FloatBuffer
    private let arena: Arena

    public init(_ table: AutoencoderTable) {
        self.table = table
        (arena, values) = Arena.build("autoencoder") { $0.take(table.count) }
    }

    public var bytes: Int { arena.bytes }

    func callAsFunction(_ name: String) -> FloatBuffer { values[table.range(name)] }
}
