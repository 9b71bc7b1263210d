import Compute

/// What a network's memory is for.
public enum NetworkUse: Equatable, Sendable {
    /// Forward passes only.
    case inference
    /// Forward and backward, with at most `iterations` fixed-point iterations with a gradient.
    case training(activations: ActivationMode, iterations: Int)

    var isTraining: Bool { self != .inference }
}

/// What the forward pass keeps for the backward pass. Both give the same bits.
public enum ActivationMode: String, CaseIterable, Sendable {
    /// Everything: fastest.
    case keep
    /// The input of each block and iteration only: one [B, T, D] state each; the rest is formed again.
    case recompute
}

/// Every buffer of a network that depends on the size of its batch.
struct NetworkMemory {
    let patches: PatchEmbedding
    let stem: ConditioningStem
    let final: FinalLayer
    let modulators: [Modulator]
    let postModulators: [Modulator]
    let fixedPointModulator: Modulator?
    let finalModulator: Modulator

    /// Inputs of the blocks, and the output of the last: `blocks.count + 1` states [R, D].
    let states: [FloatBuffer]
    let postStates: [FloatBuffer]
    /// z before each iteration with a gradient, and after the last.
    let iterationStates: [FloatBuffer]
    let blockActivations: [BlockActivations]
    let postActivations: [BlockActivations]
    let iterationActivations: [IterationActivations]
    let injection: FloatBuffer  // [R, D]
    let constant: FloatBuffer  // [R, 2 D]
    let constantGradient: FloatBuffer  // [R, 2 D]
    let gradient: FloatBuffer  // [R, D]
    let scratch: BlockScratch?
    let attentionScratch: FloatBuffer

    init(
        _ arena: Arena, _ layers: NetworkLayers, _ ranges: NetworkRanges, _ c: ModelConfiguration, samples: Int,
        use: NetworkUse, threads: Int
    ) {
        let rows = samples * c.tokens
        let stateFloats = Tiling.tokens.padded(rows) * c.width
        let training = use.isTraining
        var keep = false
        var gradientIterations = 0
        if case .training(let activations, let iterations) = use {
            keep = activations == .keep
            gradientIterations = c.fixedPoint ? iterations : 0
        }

        patches = PatchEmbedding(arena, ranges, c, rows: rows)
        let stem = ConditioningStem(arena, ranges, c, samples: samples)
        self.stem = stem
        final = FinalLayer(arena, ranges, c, samples: samples)

        func modulator(_ layer: LinearLayer, parts: Int, _ source: ConditioningStem.Source) -> Modulator {
            Modulator(
                layer: layer,
                modulation: Modulation(arena, parts: parts, width: c.width, samples: samples, training: training),
                source: source)
        }
        modulators = layers.blocks.map { modulator($0.modulation, parts: 6, stem.outer) }
        postModulators = layers.postBlocks.map { modulator($0.modulation, parts: 6, stem.outer) }
        fixedPointModulator = layers.fixedPoint.map { modulator($0.block.modulation, parts: 6, stem.full) }
        finalModulator = modulator(layers.finalModulation, parts: 2, stem.outer)

        // Without a backward pass one state is enough, updated in place.
        let shared = training ? nil : arena.take(stateFloats)
        func stateList(_ count: Int) -> [FloatBuffer] { (0..<count).map { _ in shared ?? arena.take(stateFloats) } }
        states = stateList(layers.blocks.count + 1)
        iterationStates = layers.fixedPoint == nil ? [] : stateList(gradientIterations + 1)
        postStates = stateList(layers.postBlocks.count + 1)

        // With recomputation, and without a backward pass, everything passes through one set of activations.
        let one =
            layers.fixedPoint == nil || keep ? nil : IterationActivations(arena, c, rows: rows, training: training)
        let oneBlock = one?.block ?? (keep ? nil : BlockActivations(arena, c, rows: rows, training: training))
        func blockList(_ count: Int) -> [BlockActivations] {
            (0..<count).map { _ in oneBlock ?? BlockActivations(arena, c, rows: rows, training: training) }
        }
        blockActivations = blockList(layers.blocks.count)
        postActivations = blockList(layers.postBlocks.count)
        iterationActivations =
            layers.fixedPoint == nil
            ? []
            : (0..<max(gradientIterations, 1)).map { _ in
                one ?? IterationActivations(arena, c, rows: rows, training: training)
            }

        let fixed = layers.fixedPoint == nil ? 0 : Tiling.tokens.padded(rows) * c.width
        injection = arena.take(fixed)
        constant = arena.take(2 * fixed)
        constantGradient = arena.take(training ? 2 * fixed : 0)
        gradient = arena.take(training ? stateFloats : 0)
        scratch = training ? BlockScratch(arena, c, rows: rows) : nil
        let attention = Attention(tokens: c.tokens, heads: c.heads, headWidth: c.headWidth)
        attentionScratch = arena.take(attention.scratchPerThread * threads)
    }
}

/// The layers of a network, without memory.
struct NetworkLayers: Sendable {
    let blocks: [Block]
    let fixedPoint: FixedPointLayer?
    let postBlocks: [Block]
    let finalModulation: LinearLayer

    init(_ ranges: NetworkRanges, _ c: ModelConfiguration) {
        blocks = ranges.blocks.map { Block($0, c) }
        fixedPoint = ranges.fixedPoint.map { FixedPointLayer($0, c) }
        postBlocks = ranges.postBlocks.map { Block($0, c) }
        finalModulation = LinearLayer(ranges.finalModulation, inputs: c.width, outputs: 2 * c.width, tiling: .samples)
    }
}
