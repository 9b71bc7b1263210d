import Compute

/// Blocks one after another, with their memory; forward beside backward.
final class BlockStack {
    let blocks: [Block]
    private let activations: [BlockActivations]
    /// With recomputation: the input of each block.
    private let states: [Matrix]
    private let workspace: Workspace

    init(_ w: Workspace, _ ranges: [BlockRanges], modulations: [Modulation]) {
        workspace = w
        blocks = zip(ranges, modulations).map { w.stackBlock($0, $1) }
        activations = ranges.map { _ in w.takeActivations() }
        states = w.use.isTraining && !w.use.keeps ? ranges.map { _ in w.takeState() } : []
    }

    var layers: [DenseLayer] { blocks.flatMap(\.layers) }

    /// Where blocks share the memory of their packed weights: packs those of the block that comes next.
    private func pack(_ block: Block, _ pass: Pass, _ chain: PanelChain? = nil, backward: Bool) {
        guard workspace.packsInTurn else { return }
        chain?.finish()
        DenseLayer.pack(block.layers, pass.weights, backward: backward, pass.engine.pool)
    }

    /// Takes the residual stream through all blocks.
    func forward(_ pass: Pass, _ chain: PanelChain) {
        let (w, window) = (workspace, Window(pass.cut))
        for (index, block) in blocks.enumerated() {
            let a = activations[index]
            pack(block, pass, chain, backward: false)
            chain.panels { [states] panel, worker in
                let stream = w.stream.from(panel.firstRow)
                if !states.isEmpty { Rows.copy(stream, to: states[index].from(panel.firstRow), rows: panel.rows) }
                block.enter(pass, w.attention, stream: stream, a, window, panel, worker)
            }
            chain.attend(w.attention, a, window, window.samples)
            chain.panels { panel, worker in
                block.leave(pass, stream: w.stream.from(panel.firstRow), a, window, panel, worker)
            }
        }
    }

    /// Turns the gradient of the stream behind the blocks into that before them, and adds to the parameters'.
    func backward(_ g: GroupPass) {
        for (index, block) in blocks.enumerated().reversed() {
            pack(block, g.pass, backward: true)
            let chain = g.chain()
            var (a, window) = (activations[index], Window(g.pass.cut))
            if let (stream, recomputed) = g.work.recomputed {
                (a, window) = (recomputed, g.window)
                chain.panels { [states] panel, worker in
                    let own = g.window.rows(stream, panel)
                    Rows.copy(states[index].from(panel.firstRow), to: own, rows: panel.rows)
                    block.enter(g.pass, g.attention, stream: own, recomputed, g.window, panel, worker)
                }
                chain.attend(g.attention, recomputed, g.window, g.window.samples)
                chain.panels { panel, worker in
                    block.leave(
                        g.pass, stream: g.window.rows(stream, panel), recomputed, g.window, panel, worker)
                }
            }
            block.backward(g, chain, a, window)
            chain.finish()
            LayerGradient.run(block.weightGradients(g, a, window), g)
        }
    }
}

extension Block {
    /// The backward pass of a block, up to where its panels are done.
    ///
    /// - Parameters:
    ///   - a: what its forward pass left, of the samples of `window`.
    ///   - enter: of each panel, in place of the step from the queries, keys and values to the block's input.
    func backward(
        _ g: GroupPass, _ chain: PanelChain, _ a: BlockActivations, _ window: Window,
        enter: ((_ kept: BlockActivations.Kept, _ panel: BatchCut.Panel, _ worker: Int) -> Void)? = nil
    ) {
        guard let kept = a.kept else { preconditionFailure("a forward pass that kept nothing") }
        let scratch = g.work.block
        chain.panels { panel, worker in
            scratch.projected.take(
                a.attended.from(window.row(panel)), at: g.window.row(panel), count: panel.rows)
            self.backwardLeave(
                g.pass, g.attention, gradient: g.gradient(panel), kept, at: window.row(panel), scratch, g.window,
                panel, worker)
        }
        let attention = a.attention(g.attention, window, g.window.samples)
        chain.attend(g.attention.tasks(samples: g.window.samples.count)) { task, worker in
            g.attention.backward(
                attention, gradient: scratch.attended, qkvGradient: scratch.qkv, task: task, worker: worker)
        }
        chain.panels { panel, worker in
            if let enter { return enter(kept, panel, worker) }
            self.backwardEnter(
                g.pass, gradient: g.gradient(panel), kept, at: window.row(panel), scratch, g.window, panel, worker)
        }
    }

    func weightGradients(_ g: GroupPass, _ a: BlockActivations, _ window: Window) -> [LayerGradient] {
        let first = (g.window.samples.lowerBound - window.samples.lowerBound) * window.tokens
        return weightGradients(a, g.work.block, attended: a.attended.from(first))
    }
}
