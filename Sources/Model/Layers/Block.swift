import Compute

/// What a block's forward pass leaves for its backward pass, of the samples of a window.
struct BlockActivations {
    /// Queries, keys and values by head: three parts of [S, H, T, d], rounded.
    let qkv: Matrix
    let attended: Matrix  // [R, D], rounded
    let kept: Kept?

    /// What only the backward pass asks for; rounded where not said otherwise.
    struct Kept {
        let input: Matrix  // [R, D]
        let branch1, branch2: Matrix  // [R, D], the branches before their gates
        let hidden: Matrix  // [R, F], before GELU
        let statistics1, statistics2: FloatBuffer  // [R, 2], float32
        let logSums: FloatBuffer  // [S, H, T], float32
    }

    init(_ arena: Arena, _ c: ModelConfiguration, _ element: Element, samples: Int, keeping: Bool) {
        let rows = samples * c.tokens
        func take(_ columns: Int) -> Matrix { arena.take(rows: rows, columns: columns, element) }
        qkv = take(3 * c.width)
        attended = take(c.width)
        kept =
            keeping
            ? Kept(
                input: take(c.width), branch1: take(c.width), branch2: take(c.width), hidden: take(c.mlpWidth),
                statistics1: arena.take(rows * 2), statistics2: arena.take(rows * 2),
                logSums: arena.take(rows * c.heads)) : nil
    }
}

/// What the backward pass of any block works on: a group's operands of weight gradients, rounded.
struct BlockScratch {
    let branch1, branch2: TiledRows  // [R, D], gradients of the branches
    let activated: TiledRows  // [R, F]
    let hidden: TiledRows  // [R, F], gradient before GELU
    let normal1, normal2: TiledRows  // [R, D], the norms' outputs
    let projected: TiledRows  // [R, D], attention's output
    let attended: Matrix  // [S, H, T, d], gradient of attention's output
    let qkv: Matrix  // [R, 3 D], gradient
    let qkvTiles: TiledRows

    init(_ arena: Arena, _ block: Block, _ c: ModelConfiguration, _ element: Element, group: Int) {
        let rows = group * c.tokens
        func take(_ columns: Int) -> Matrix { arena.take(rows: rows, columns: columns, element) }
        func gradient(_ layer: DenseLayer) -> TiledRows { layer.gradientRows(arena, element) }
        func input(_ layer: DenseLayer) -> TiledRows { layer.inputRows(arena, element) }
        branch1 = gradient(block.projection)
        branch2 = gradient(block.fc2)
        activated = input(block.fc2)
        hidden = gradient(block.fc1)
        normal1 = input(block.qkv)
        normal2 = input(block.fc1)
        projected = block.projection.inputCopy(arena, element)
        attended = take(c.width)
        qkv = take(3 * c.width)
        qkvTiles = gradient(block.qkv)
    }
}

/// An adaLN-Zero transformer block (arXiv 2212.09748, 3.2): x + gate1 * attention(norm(x)), then + gate2 * mlp(norm(.)).
/// Forward beside backward, each in what precedes attention and what follows it.
final class Block {
    let qkv, projection, fc1, fc2: DenseLayer
    let modulation: Modulation

    init(
        _ engine: Engine, _ arena: Arena, _ ranges: BlockRanges, _ c: ModelConfiguration, _ modulation: Modulation,
        training: Bool, group: (rows: Int, panels: Int), inTurnWith other: Block? = nil
    ) {
        let d = c.width
        func layer(_ ranges: LinearRanges, _ inputs: Int, _ outputs: Int, _ other: DenseLayer?) -> DenseLayer {
            DenseLayer(
                engine, arena, ranges, inputs: inputs, outputs: outputs, training: training,
                panelRows: c.cut.fullPanelRows, group: group, inTurnWith: other)
        }
        qkv = layer(ranges.qkv, d, 3 * d, other?.qkv)
        projection = layer(ranges.projection, d, d, other?.projection)
        fc1 = layer(ranges.fc1, d, c.mlpWidth, other?.fc1)
        fc2 = layer(ranges.fc2, c.mlpWidth, d, other?.fc2)
        self.modulation = modulation
    }

    var layers: [DenseLayer] { [qkv, projection, fc1, fc2] }

    // MARK: - Forward

    /// From a block's input to its queries, keys and values, of one panel.
    ///
    /// - Parameter stream: [P, D], float32: the panel's rows of the input.
    func enter(
        _ pass: Pass, _ attention: Attention, stream: Matrix, _ a: BlockActivations, _ window: Window,
        _ panel: BatchCut.Panel, _ worker: Int
    ) {
        let s = pass.scratch[worker]
        let row = window.row(panel)
        if let kept = a.kept { Rows.copy(stream, to: kept.input.from(row), rows: panel.rows) }
        ModulatedNorm.forward(
            stream, shift: modulation.part(.shift1, panel), scale: modulation.part(.scale1, panel),
            statistics: a.kept.map { $0.statistics1.base + 2 * row }, output: s.normal, rows: panel.rows)
        let product = s.product(qkv.outputs)
        qkv.multiply(s.normal, into: product, panel, worker)
        attention.heads.split(
            product, bias: qkv.biasPointer, into: a.qkv, partElements: window.partElements(attention),
            firstRow: row, rows: panel.rows)
    }

    /// From what attention made to a block's output, which takes the place of its input in `stream`.
    func leave(
        _ pass: Pass, stream: Matrix, _ a: BlockActivations, _ window: Window, _ panel: BatchCut.Panel, _ worker: Int
    ) {
        let s = pass.scratch[worker]
        let row = window.row(panel)
        projection.multiply(a.attended.from(row), into: s.narrow, panel, worker)
        Gate.forward(
            stream: stream, product: s.narrow, bias: projection.biasPointer, gate: modulation.part(.gate1, panel),
            branch: a.kept?.branch1.from(row), rows: panel.rows)
        ModulatedNorm.forward(
            stream, shift: modulation.part(.shift2, panel), scale: modulation.part(.scale2, panel),
            statistics: a.kept.map { $0.statistics2.base + 2 * row }, output: s.normal, rows: panel.rows)
        let wide = s.product(fc1.outputs)
        let activated = s.rounded(fc1.outputs)
        fc1.multiply(s.normal, into: wide, panel, worker)
        GELU.forward(
            wide, bias: fc1.biasPointer, hidden: a.kept?.hidden.from(row), activated: activated, rows: panel.rows)
        fc2.multiply(activated, into: s.narrow, panel, worker)
        Gate.forward(
            stream: stream, product: s.narrow, bias: fc2.biasPointer, gate: modulation.part(.gate2, panel),
            branch: a.kept?.branch2.from(row), rows: panel.rows)
    }

    // MARK: - Backward

    /// From the gradient of a block's output to that of attention's, of one panel.
    ///
    /// - Parameters:
    ///   - gradient: [P, D], float32: becomes the gradient after the first residual.
    ///   - window: of the group, whose rows all buffers hold.
    func backwardLeave(
        _ pass: Pass, _ attention: Attention, gradient: Matrix, _ a: BlockActivations.Kept, at keptRow: Int,
        _ w: BlockScratch, _ window: Window, _ panel: BatchCut.Panel, _ worker: Int
    ) {
        let s = pass.scratch[worker]
        let (row, rows) = (window.row(panel), panel.rows)
        let branch2 = w.branch2.target(row, s.normal)
        Gate.backward(
            gradient: gradient, gate: modulation.part(.gate2, panel), branch: a.branch2.from(keptRow),
            gateGradient: modulation.gradient(.gate2, panel, window), branchGradient: branch2,
            columnSums: fc2.biasSums(panel, window), rows: rows)
        w.branch2.store(branch2, at: row, count: rows)
        let wide = s.product(fc2.inputs)
        fc2.multiplyBack(branch2, into: wide, panel, worker)
        let hidden = w.hidden.target(row, s.rounded(fc1.outputs))
        GELU.backward(
            wide, hidden: a.hidden.from(keptRow), activated: w.activated.place(row), gradient: hidden,
            columnSums: fc1.biasSums(panel, window), rows: rows)
        w.hidden.store(hidden, at: row, count: rows)
        fc1.multiplyBack(hidden, into: s.narrow, panel, worker)
        ModulatedNorm.backward(
            .init(
                a.input.from(keptRow), branch: a.branch1.from(keptRow), gate: modulation.part(.gate1, panel)),
            statistics: a.statistics2.base + 2 * keptRow, shift: modulation.part(.shift2, panel),
            scale: modulation.part(.scale2, panel), outputGradient: s.narrow, gradient: gradient,
            shiftGradient: modulation.gradient(.shift2, panel, window),
            scaleGradient: modulation.gradient(.scale2, panel, window), output: w.normal2.place(row),
            scratch: s.row.base, rows: rows)
        let branch1 = w.branch1.target(row, s.normal)
        Gate.backward(
            gradient: gradient, gate: modulation.part(.gate1, panel), branch: a.branch1.from(keptRow),
            gateGradient: modulation.gradient(.gate1, panel, window), branchGradient: branch1,
            columnSums: projection.biasSums(panel, window), rows: rows)
        w.branch1.store(branch1, at: row, count: rows)
        projection.multiplyBack(branch1, into: s.narrow, panel, worker)
        attention.heads.split(
            s.narrow, bias: nil, into: w.attended, partElements: 0, firstRow: row, rows: rows)
    }

    /// From the gradient of queries, keys and values to that of a block's input, which `gradient` becomes.
    ///
    /// - Parameters:
    ///   - rounded: takes the new gradient, where a product reads it next.
    ///   - columnSums: [D], the new gradient's column sums are added to it.
    func backwardEnter(
        _ pass: Pass, gradient: Matrix, rounded: Matrix? = nil, columnSums: UnsafeMutablePointer<Float>? = nil,
        _ a: BlockActivations.Kept, at keptRow: Int, _ w: BlockScratch, _ window: Window, _ panel: BatchCut.Panel,
        _ worker: Int
    ) {
        let s = pass.scratch[worker]
        let (row, rows) = (window.row(panel), panel.rows)
        let own = w.qkv.from(row)
        Rows.addColumns(own, to: qkv.biasSums(panel, window), rows: rows)
        w.qkvTiles.store(own, at: row, count: rows)
        qkv.multiplyBack(own, into: s.narrow, panel, worker)
        ModulatedNorm.backward(
            .init(a.input.from(keptRow)), statistics: a.statistics1.base + 2 * keptRow,
            shift: modulation.part(.shift1, panel), scale: modulation.part(.scale1, panel), outputGradient: s.narrow,
            gradient: gradient, shiftGradient: modulation.gradient(.shift1, panel, window),
            scaleGradient: modulation.gradient(.scale1, panel, window), output: w.normal1.place(row),
            rounded: rounded, columnSums: columnSums, scratch: s.row.base, rows: rows)
    }

    /// What is summed over a group's rows, once its panels are done.
    func weightGradients(_ a: BlockActivations, _ w: BlockScratch, attended: Matrix) -> [LayerGradient] {
        [
            LayerGradient(fc2, w.branch2, w.activated), LayerGradient(fc1, w.hidden, w.normal2),
            LayerGradient(qkv, w.qkvTiles, w.normal1),
            LayerGradient(projection, w.branch1, w.projected.input(attended)),
        ]
    }
}

extension Window {
    /// Elements between queries, keys and values of the window's samples.
    func partElements(_ attention: Attention) -> Int {
        samples.count * attention.heads.heads * attention.heads.headElements
    }
}

/// A layer's weight gradient over a group.
struct LayerGradient {
    let layer: DenseLayer
    let gradient: WeightGradient

    init(_ layer: DenseLayer, _ outputGradient: TiledRows, _ input: TiledRows) {
        self.layer = layer
        gradient = WeightGradient(outputGradient, input)
    }

    /// Adds them to the flat vector, all of them in one piece of work.
    static func run(_ all: [LayerGradient], _ g: GroupPass) {
        let products = all.map { $0.layer.gradientProducts(g.window) }
        let targets = all.map { $0.layer.weightGradient(g.gradients) }
        let tasks = all.enumerated().flatMap { index, one in (0..<one.gradient.tasks).map { (index, $0) } }
        g.pass.engine.pool.parallelFor(tasks.count) { task, worker in
            let (index, tile) = tasks[task]
            all[index].gradient.run(products[index], into: targets[index], task: tile, worker: worker)
        }
    }
}
