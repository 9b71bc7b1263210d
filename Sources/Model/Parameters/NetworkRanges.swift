/// Where the parts of a network stand in its flat vectors. Names and order are the published ones.
struct LinearRanges: Sendable {
    let weight: Range<Int>
    let bias: Range<Int>
}

/// An adaLN-Zero transformer block.
struct BlockRanges: Sendable {
    let qkv, projection, fc1, fc2, modulation: LinearRanges

    init(_ name: String, _ c: ModelConfiguration, _ builder: inout ParameterTableBuilder) {
        qkv = builder.linear("\(name).attn.qkv", inputs: c.width, outputs: 3 * c.width)
        projection = builder.linear("\(name).attn.proj", inputs: c.width, outputs: c.width)
        fc1 = builder.linear("\(name).mlp.fc1", inputs: c.width, outputs: c.mlpWidth)
        fc2 = builder.linear("\(name).mlp.fc2", inputs: c.mlpWidth, outputs: c.width)
        modulation = builder.linear("\(name).adaLN_modulation.1", inputs: c.width, outputs: 6 * c.width, .zeros)
    }
}

/// What a fixed-point iteration applies: an injection of the input, then a block.
struct FixedPointRanges: Sendable {
    let preProjection, injection1, injection2: LinearRanges
    let block: BlockRanges
}

enum LabelRanges: Sendable {
    case table(Range<Int>)
    case projection(LinearRanges)
    case none
}

struct NetworkRanges: Sendable {
    let patches, timestep1, timestep2: LinearRanges
    let label: LabelRanges
    /// The blocks of a DiT, or those before the fixed point.
    let blocks: [BlockRanges]
    let fixedPoint: FixedPointRanges?
    let postBlocks: [BlockRanges]
    let final, finalModulation: LinearRanges

    init(_ c: ModelConfiguration, _ builder: inout ParameterTableBuilder) {
        let d = c.width
        patches = builder.linear(
            "x_embedder.proj", inputs: c.patchValues, outputs: d, shape: [d, c.channels, c.patchSize, c.patchSize])
        timestep1 = builder.linear(
            "t_embedder.mlp.0", inputs: TimestepEmbedding.features, outputs: d, .normal(deviation: 0.02))
        timestep2 = builder.linear("t_embedder.mlp.2", inputs: d, outputs: d, .normal(deviation: 0.02))
        switch c.conditioning {
        case .classes:
            label = .table(
                builder.add("y_embedder.embedding_table.weight", [c.classes + 1, d], .normal(deviation: 0.02)))
        case .continuous:
            label = .projection(
                builder.linear(
                    "y_embedder.embedding_projection", inputs: c.classes, outputs: d, .normal(deviation: 0.02)))
        case .none:
            label = .none
        }
        if c.fixedPoint {
            blocks = (0..<c.preDepth).map { BlockRanges("blocks_pre.\($0)", c, &builder) }
            fixedPoint = FixedPointRanges(
                preProjection: builder.linear("block_pre_projection", inputs: d, outputs: d),
                injection1: builder.linear("block_fixed_point_projection_fc1", inputs: 2 * d, outputs: 2 * d),
                injection2: builder.linear("block_fixed_point_projection_fc2", inputs: 2 * d, outputs: d),
                block: BlockRanges("block_fixed_point", c, &builder))
            postBlocks = (0..<c.postDepth).map { BlockRanges("blocks_post.\($0)", c, &builder) }
        } else {
            blocks = (0..<c.depth).map { BlockRanges("blocks.\($0)", c, &builder) }
            fixedPoint = nil
            postBlocks = []
        }
        final = builder.linear("final_layer.linear", inputs: d, outputs: c.outputPatchValues, .zeros)
        finalModulation = builder.linear("final_layer.adaLN_modulation.1", inputs: d, outputs: 2 * d, .zeros)
    }
}
