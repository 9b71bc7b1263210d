import Compute

/// What the backward pass of a fixed-point solve goes through. n and m are the iterations that a step draws.
public enum SolveGradient: String, CaseIterable, Sendable {
    /// The last m iterations, each of which keeps its activations; the state before them, which n iterations without a
    /// gradient approach, is a constant (stochastic Jacobian-free backpropagation, arXiv 2401.08741, section 3.3).
    case sjfb
    /// The last of all n + m iterations alone; the state before it is a constant (Jacobian-free backpropagation, Fung et
    /// al., arXiv 2103.12803).
    case jfb
    /// All n + m iterations, and the state that the solve begins from: the network's exact gradient. Memory grows with
    /// n, too.
    case unroll

    /// The iterations without and with a gradient that n and m stand for.
    public func iterations(_ drawn: Iterations) -> Iterations {
        let withGradient =
            switch self {
            case .sjfb: drawn.withGradient
            case .jfb: min(1, drawn.total)
            case .unroll: drawn.total
            }
        return Iterations(withoutGradient: drawn.total - withGradient, withGradient: withGradient)
    }

    /// Whether the gradient also reaches the solve's input as the state that it begins from.
    var reachesStart: Bool { self == .unroll }
}

/// What it works on beside a block's: a group's operands of weight gradients, rounded where not said otherwise.
final class SolveScratch {
    let injected: TiledRows  // [G T, D], gradient of the block's input
    let activated: TiledRows  // [G T, 2 D]
    let state: TiledRows  // [G T, D], z before the iteration
    let hidden: TiledRows  // [G T, 2 D], gradient before GELU
    let injection: TiledRows  // [G T, D], gradient
    /// The injection and the solve's input.
    let kept: (injection: TiledRows, input: TiledRows)  // [G T, D]
    /// Of fc1's output, summed over the iterations: [G T, 2 D], float32.
    let constant: Matrix
    /// What an iteration leaves, where it is formed again.
    let recomputed: IterationActivations?

    init(_ w: Workspace, _ solve: FixedPointSolve, _ work: BackwardWorkspace) {
        let (rows, d) = (w.group * w.configuration.tokens, w.configuration.width)
        func tiles(_ layer: DenseLayer) -> TiledRows { layer.gradientRows(w.arena, w.element) }
        injected = tiles(solve.fc2)
        activated = solve.fc2.inputRows(w.arena, w.element)
        state = solve.stateHalf.inputCopy(w.arena, w.element)
        hidden = tiles(solve.stateHalf)
        injection = tiles(solve.preProjection)
        kept = (
            solve.injectionHalf.inputCopy(w.arena, w.element), solve.preProjection.inputCopy(w.arena, w.element)
        )
        constant = w.arena.take(rows: rows, columns: 2 * d, .float32)
        recomputed = work.recomputed.map {
            IterationActivations(w.arena, w.configuration, w.element, $0.activations, samples: w.group)
        }
    }
}

extension FixedPointSolve {
    /// Turns the gradient of the solution into that of the solve's input, and adds to the parameters'.
    func backward(_ g: GroupPass, _ s: SolveScratch, _ iterations: Iterations, by way: SolveGradient) {
        s.constant.floats().update(
            repeating: 0, count: g.window.samples.count * g.window.tokens * s.constant.columns)
        for k in (0..<iterations.withGradient).reversed() {
            backward(g, s, iteration: k, reachesState: k > 0 || way.reachesStart)
        }
        backwardInjection(g, s, addsToState: way.reachesStart)
    }

    /// - Parameter reachesState: whether the state before the iteration has a gradient, or is a constant.
    private func backward(_ g: GroupPass, _ s: SolveScratch, iteration k: Int, reachesState: Bool) {
        let chain = g.chain()
        let (a, window) = recall(g, s, chain, iteration: k)
        guard let own = a.kept else { preconditionFailure("an iteration that kept nothing") }
        block.backward(g, chain, a.block, window) { [self] kept, panel, worker in
            let scratch = g.pass.scratch[worker]
            let (row, keptRow, rows) = (g.window.row(panel), window.row(panel), panel.rows)
            let gradient = g.gradient(panel)
            let injected = s.injected.target(row, scratch.normal)
            block.backwardEnter(
                g.pass, gradient: gradient, rounded: injected, columnSums: fc2.biasSums(panel, g.window), kept,
                at: keptRow, g.work.block, g.window, panel, worker)
            s.injected.store(injected, at: row, count: rows)
            let wide = scratch.product(fc2.inputs)
            fc2.multiplyBack(injected, into: wide, panel, worker)
            let hidden = s.hidden.target(row, scratch.rounded(fc2.inputs))
            GELU.backward(
                wide, hidden: own.hidden.from(keptRow), activated: s.activated.place(row), gradient: hidden,
                columnSums: injectionHalf.biasSums(panel, g.window), sum: s.constant.from(row), rows: rows)
            s.hidden.store(hidden, at: row, count: rows)
            s.state.take(own.state.from(keptRow), at: row, count: rows)
            if reachesState { stateHalf.multiplyBack(hidden, into: gradient, panel, worker) }
        }
        chain.finish()
        let first = (g.window.samples.lowerBound - window.samples.lowerBound) * window.tokens
        LayerGradient.run(
            block.weightGradients(g, a.block, window) + [
                LayerGradient(stateHalf, s.hidden, s.state.input(own.state.from(first))),
                LayerGradient(fc2, s.injected, s.activated),
            ], g)
    }

    /// What an iteration left, formed again from the state before it where only that was kept.
    private func recall(
        _ g: GroupPass, _ s: SolveScratch, _ chain: PanelChain, iteration k: Int
    ) -> (IterationActivations, Window) {
        guard let (stream, _) = g.work.recomputed, let a = s.recomputed else {
            return (activations[k], Window(g.pass.cut))
        }
        chain.panels { [self] panel, worker in
            let z = g.window.rows(stream, panel)
            Rows.copy(states[k].from(panel.firstRow), to: z, rows: panel.rows)
            enter(g.pass, stream: z, a, g.window, panel, worker)
        }
        chain.attend(g.attention, a.block, g.window, g.window.samples)
        chain.panels { [self] panel, worker in
            block.leave(g.pass, stream: g.window.rows(stream, panel), a.block, g.window, panel, worker)
        }
        return (a, g.window)
    }

    /// From the gradient at fc1's output, summed over the iterations, to that of the solve's input.
    ///
    /// - Parameter addsToState: whether it comes to the gradient of the state that the solve begins from.
    private func backwardInjection(_ g: GroupPass, _ s: SolveScratch, addsToState: Bool) {
        guard let kept else { preconditionFailure("a solve for inference has no backward pass") }
        let chain = g.chain()
        chain.panels { [self] panel, worker in
            let scratch = g.pass.scratch[worker]
            let (row, rows) = (g.window.row(panel), panel.rows)
            let hidden = s.hidden.target(row, scratch.rounded(injectionHalf.outputs))
            Rows.copy(s.constant.from(row), to: hidden, rows: rows)
            s.hidden.store(hidden, at: row, count: rows)
            injectionHalf.multiplyBack(hidden, into: scratch.narrow, panel, worker)
            Rows.addColumns(scratch.narrow, to: preProjection.biasSums(panel, g.window), rows: rows)
            let injection = s.injection.target(row, scratch.normal)
            Rows.copy(scratch.narrow, to: injection, rows: rows)
            s.injection.store(injection, at: row, count: rows)
            s.kept.injection.take(kept.injection.from(panel.firstRow), at: row, count: rows)
            s.kept.input.take(kept.input.from(panel.firstRow), at: row, count: rows)
            guard addsToState else {
                preProjection.multiplyBack(injection, into: g.gradient(panel), panel, worker)
                return
            }
            preProjection.multiplyBack(injection, into: scratch.narrow, panel, worker)
            Rows.add(scratch.narrow, to: g.gradient(panel), rows: rows)
        }
        chain.finish()
        let first = g.window.samples.lowerBound * g.window.tokens
        LayerGradient.run(
            [
                LayerGradient(injectionHalf, s.hidden, s.kept.injection.input(kept.injection.from(first))),
                LayerGradient(preProjection, s.injection, s.kept.input.input(kept.input.from(first))),
            ], g)
    }
}
