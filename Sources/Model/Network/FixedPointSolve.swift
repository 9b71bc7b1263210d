import Compute

/// Iterations of a fixed-point solve: without a gradient first, then those that the backward pass goes through
/// (stochastic Jacobian-free backpropagation, arXiv 2401.08741, section 3.3).
public struct Iterations: Equatable, Sendable {
    public var withoutGradient: Int
    public var withGradient: Int

    public init(withoutGradient: Int, withGradient: Int) {
        self.withoutGradient = withoutGradient
        self.withGradient = withGradient
    }

    public var total: Int { withoutGradient + withGradient }
}

/// What one iteration leaves for its backward pass, rounded.
struct IterationActivations {
    let block: BlockActivations
    let kept: Kept?

    struct Kept {
        let state: Matrix  // [R, D], z before it
        let hidden: Matrix  // [R, 2 D], before GELU
    }

    init(_ block: BlockActivations, kept: Kept?) {
        self.block = block
        self.kept = kept
    }

    init(_ arena: Arena, _ c: ModelConfiguration, _ element: Element, _ block: BlockActivations, samples: Int) {
        let rows = samples * c.tokens
        self.block = block
        kept = Kept(
            state: arena.take(rows: rows, columns: c.width, element),
            hidden: arena.take(rows: rows, columns: 2 * c.width, element))
    }
}

/// z <- block(fc2(gelu(fc1([z, injection])))), again and again; forward here, backward in `SolveGradient`.
///
/// The half of fc1 that sees the injection is constant in a solve: its product, with the bias, is formed once, and
/// backwards the gradient at fc1's output is summed over the iterations first, so that half's products are formed once
/// too. An iteration thus costs 4 D^2 multiplications a token beyond its block's instead of 6 D^2.
final class FixedPointSolve {
    let workspace: Workspace
    let block: Block
    let preProjection, stateHalf, injectionHalf, fc2: DenseLayer
    /// fc1's share of the injection, [B T, 2 D], float32.
    let constant: Matrix
    /// Kept for the backward pass, of all samples: the solve's input and the injection, rounded.
    let kept: (input: Matrix, injection: Matrix)?
    let passing: IterationActivations
    /// Of each iteration with a gradient, where everything is kept.
    let activations: [IterationActivations]
    /// With recomputation: z before each iteration with a gradient.
    let states: [Matrix]

    init(_ w: Workspace, _ ranges: FixedPointRanges, _ modulation: Modulation) {
        let (c, d) = (w.configuration, w.configuration.width)
        workspace = w
        block = w.block(ranges.block, modulation)
        preProjection = w.layer(ranges.preProjection, inputs: d, outputs: d)
        stateHalf = w.layer(
            ranges.injection1, inputs: d, outputs: 2 * d, part: (firstColumn: 0, stride: 2 * d, hasBias: false))
        injectionHalf = w.layer(
            ranges.injection1, inputs: d, outputs: 2 * d, part: (firstColumn: d, stride: 2 * d, hasBias: true))
        fc2 = w.layer(ranges.injection2, inputs: 2 * d, outputs: d)
        constant = w.arena.take(rows: w.capacity * c.tokens, columns: 2 * d, .float32)
        kept = w.use.isTraining ? (w.take(d), w.take(d)) : nil
        passing = IterationActivations(w.passing, kept: nil)
        let m = w.use.gradientIterations
        activations =
            w.use.keeps
            ? (0..<m).map { _ in
                IterationActivations(w.arena, c, w.element, w.takeActivations(), samples: w.capacity)
            } : []
        states = w.use.isTraining && !w.use.keeps ? (0..<m).map { _ in w.takeState() } : []
    }

    var layers: [DenseLayer] { block.layers + [preProjection, stateHalf, injectionHalf, fc2] }

    /// Takes the residual stream from the solve's input to its solution.
    ///
    /// - Parameters:
    ///   - initial: [B, T, D], starts the solve in place of its input.
    ///   - onState: called with z before each iteration and after the last.
    func forward(
        _ pass: Pass, _ chain: PanelChain, _ iterations: Iterations, initial: FloatBuffer?,
        onState: ((_ iterations: Int, _ z: Matrix) -> Void)? = nil
    ) {
        let w = workspace
        inject(pass, chain, initial: initial)
        let free = w.use.isTraining ? iterations.withoutGradient : iterations.total
        func show(_ iterations: Int) {
            guard let onState else { return }
            chain.finish()
            onState(iterations, w.stream)
        }
        for k in 0..<iterations.total {
            show(k)
            let own = k - free
            let a = own >= 0 && w.use.keeps ? activations[own] : passing
            iterate(pass, chain, a, before: own >= 0 && !states.isEmpty ? states[own] : nil)
        }
        show(iterations.total)
    }

    /// One iteration.
    ///
    /// - Parameter state: takes z before it.
    func iterate(_ pass: Pass, _ chain: PanelChain, _ a: IterationActivations, before state: Matrix? = nil) {
        let (w, window) = (workspace, Window(pass.cut))
        chain.panels { panel, worker in
            let z = w.stream.from(panel.firstRow)
            if let state { Rows.copy(z, to: state.from(panel.firstRow), rows: panel.rows) }
            self.enter(pass, stream: z, a, window, panel, worker)
        }
        chain.attend(w.attention, a.block, window, window.samples)
        chain.panels { panel, worker in
            self.block.leave(pass, stream: w.stream.from(panel.firstRow), a.block, window, panel, worker)
        }
    }

    /// The injection, fc1's share of it, and z to begin with.
    func inject(_ pass: Pass, _ chain: PanelChain, initial: FloatBuffer?) {
        chain.panels { [self] panel, worker in
            let s = pass.scratch[worker]
            let (row, rows) = (panel.firstRow, panel.rows)
            let z = workspace.stream.from(row)
            let input = kept?.input.from(row) ?? s.normal
            Rows.copy(z, to: input, rows: rows)
            preProjection.multiply(input, into: s.narrow, panel, worker)
            let injection = kept?.injection.from(row) ?? s.normal
            Rows.add(s.narrow, bias: preProjection.biasPointer, output: injection, rows: rows)
            let own = constant.from(row)
            injectionHalf.multiply(injection, into: own, panel, worker)
            Rows.add(own, bias: injectionHalf.biasPointer, stream: own, output: nil, rows: rows)
            if let initial {
                z.floats().update(from: initial.base + row * z.columns, count: rows * z.columns)
            }
        }
    }

    /// From z to the queries, keys and values of the block, of one panel; the block's input takes z's place.
    func enter(
        _ pass: Pass, stream: Matrix, _ a: IterationActivations, _ window: Window, _ panel: BatchCut.Panel,
        _ worker: Int
    ) {
        let s = pass.scratch[worker]
        let (row, rows) = (window.row(panel), panel.rows)
        var z = stream
        if let kept = a.kept {
            z = kept.state.from(row)
        } else if s.normal.element != .float32 {
            z = s.normal
        }
        if z.base != stream.base { Rows.copy(stream, to: z, rows: rows) }
        let wide = s.product(stateHalf.outputs)
        let activated = s.rounded(stateHalf.outputs)
        stateHalf.multiply(z, into: wide, panel, worker)
        GELU.forward(
            wide, addend: constant.from(panel.firstRow), hidden: a.kept?.hidden.from(row), activated: activated,
            rows: rows)
        fc2.multiply(activated, into: s.narrow, panel, worker)
        Rows.add(s.narrow, bias: fc2.biasPointer, stream: stream, output: nil, rows: rows)
        block.enter(pass, workspace.attention, stream: stream, a.block, window, panel, worker)
    }
}
