import Compute

/// What a network's memory is for.
public enum NetworkUse: Equatable, Sendable {
    /// Forward passes only.
    case inference
    /// Forward and backward, with at most `iterations` fixed-point iterations with a gradient.
    case training(activations: ActivationMode, iterations: Int, gradient: SolveGradient = .sjfb)

    var isTraining: Bool { self != .inference }

    /// Whether the forward pass keeps everything that the backward pass asks for.
    var keeps: Bool {
        if case .training(.keep, _, _) = self { return true }
        return false
    }

    var gradientIterations: Int {
        if case .training(_, let iterations, _) = self { return iterations }
        return 0
    }

    var gradient: SolveGradient {
        if case .training(_, _, let gradient) = self { return gradient }
        return .sjfb
    }
}

/// What the forward pass keeps for the backward pass. Both give the same bits.
public enum ActivationMode: String, CaseIterable, Sendable {
    /// Everything: fastest.
    case keep
    /// The input of each block and iteration only: one [B, T, D] state each; the rest is formed again, a group of
    /// samples at a time.
    case recompute
}

/// The memory that all layers of a network share, and what they are built with.
final class Workspace {
    let engine: Engine
    let arena: Arena
    let configuration: ModelConfiguration
    let use: NetworkUse
    /// Samples of a pass at most.
    let capacity: Int
    /// Samples of a group at most.
    let group: Int
    let attention: Attention
    let scratch: [Scratch]
    /// The residual stream, [B T, D], float32.
    let stream: Matrix
    /// Queries, keys, values and attention's output where nothing is kept, of all samples.
    let passing: BlockActivations
    private var firstOfStacks: Block?

    init(_ engine: Engine, _ arena: Arena, _ c: ModelConfiguration, capacity: Int, use: NetworkUse) {
        self.engine = engine
        self.arena = arena
        self.configuration = c
        self.use = use
        self.capacity = capacity
        group = min(capacity, c.cut.groupSamples)
        attention = Attention(
            engine, arena, Heads(tokens: c.tokens, heads: c.heads, headWidth: c.headWidth),
            samples: use.isTraining ? group : capacity,
            training: use.isTraining)
        let element = engine.precision.element
        scratch = (0..<engine.pool.threadCount).map { _ in Scratch(arena, c, element) }
        stream = arena.take(rows: capacity * c.tokens, columns: c.width, .float32)
        passing = BlockActivations(arena, c, element, samples: capacity, keeping: false)
    }

    var element: Element { engine.precision.element }

    /// Rows and panels of a group at most.
    private var groupSize: (rows: Int, panels: Int) {
        (group * configuration.tokens, group * configuration.cut.slotsPerSample)
    }

    /// Rounded rows for all samples of a pass.
    func take(_ columns: Int) -> Matrix {
        arena.take(rows: capacity * configuration.tokens, columns: columns, element)
    }

    /// A residual stream that is kept: [B T, D], float32.
    func takeState() -> Matrix {
        arena.take(rows: capacity * configuration.tokens, columns: configuration.width, .float32)
    }

    /// What one block or iteration leaves: memory of its own where everything is kept.
    func takeActivations() -> BlockActivations {
        use.keeps
            ? BlockActivations(arena, configuration, element, samples: capacity, keeping: true) : passing
    }

    func modulation(parts: Int) -> Modulation {
        Modulation(arena, configuration, parts: parts, samples: capacity, group: use.isTraining ? group : 0)
    }

    func block(_ ranges: BlockRanges, _ modulation: Modulation, inTurnWith other: Block? = nil) -> Block {
        Block(
            engine, arena, ranges, configuration, modulation, training: use.isTraining, group: groupSize,
            inTurnWith: other)
    }

    /// Whether the blocks of stacks share the memory of their packed weights, and have them packed anew before each
    /// use: where activations are formed again, memory is what counts.
    var packsInTurn: Bool { use.isTraining && !use.keeps }

    /// A block that each pass goes through once.
    func stackBlock(_ ranges: BlockRanges, _ modulation: Modulation) -> Block {
        guard packsInTurn else { return block(ranges, modulation) }
        let block = block(ranges, modulation, inTurnWith: firstOfStacks)
        firstOfStacks = firstOfStacks ?? block
        return block
    }

    func layer(
        _ ranges: LinearRanges, inputs: Int, outputs: Int,
        part: (firstColumn: Int, stride: Int, hasBias: Bool)? = nil, needsInputGradient: Bool = true
    ) -> DenseLayer {
        DenseLayer(
            engine, arena, ranges, inputs: inputs, outputs: outputs, training: use.isTraining,
            panelRows: configuration.cut.fullPanelRows, group: groupSize, part: part,
            needsInputGradient: needsInputGradient)
    }
}

/// The memory of the backward pass, which takes a group of samples at a time.
final class BackwardWorkspace {
    /// Of the residual stream, [G T, D], float32.
    let gradient: Matrix
    let block: BlockScratch
    /// Where activations are formed again: the stream [G T, D], and what a block or iteration leaves.
    let recomputed: (stream: Matrix, activations: BlockActivations)?

    init(_ w: Workspace, _ block: Block) {
        let (c, arena) = (w.configuration, w.arena)
        let rows = w.group * c.tokens
        gradient = arena.take(rows: rows, columns: c.width, .float32)
        self.block = BlockScratch(arena, block, c, w.element, group: w.group)
        recomputed =
            w.use.keeps
            ? nil
            : (
                arena.take(rows: rows, columns: c.width, .float32),
                BlockActivations(arena, c, w.element, samples: w.group, keeping: true)
            )
    }
}

/// One group's backward pass.
struct GroupPass {
    let pass: Pass
    let window: Window
    let attention: Attention
    let work: BackwardWorkspace
    /// Of all parameters, added to.
    let gradients: FloatBuffer

    /// Where a panel's rows of the stream's gradient stand.
    func gradient(_ panel: BatchCut.Panel) -> Matrix { window.rows(work.gradient, panel) }

    func chain() -> PanelChain { PanelChain(pass, group: window.panels) }
}

extension PanelChain {
    /// Attention over some samples of a window.
    func attend(_ attention: Attention, _ a: BlockActivations, _ window: Window, _ samples: Range<Int>) {
        let pass = a.attention(attention, window, samples)
        attend(attention.tasks(samples: samples.count)) { task, worker in
            attention.forward(pass, task: task, worker: worker)
        }
    }
}

extension BlockActivations {
    /// Attention over some samples of a window.
    func attention(_ attention: Attention, _ window: Window, _ samples: Range<Int>) -> Attention.Pass {
        let (heads, bytes) = (attention.heads, qkv.element.bytes)
        let first = samples.lowerBound - window.samples.lowerBound
        let offset = first * heads.heads * heads.headElements
        return Attention.Pass(
            qkv: Matrix(qkv.base + offset * bytes, qkv.element, columns: qkv.columns),
            partElements: window.partElements(attention), attended: attended.from(first * heads.tokens),
            logSums: kept.map {
                $0.logSums.slice(offset / heads.headWidth, samples.count * heads.heads * heads.tokens)
            },
            samples: samples.count)
    }
}
