import Compute

/// Images to tokens: a convolution whose stride is its kernel, plus fixed positions.
final class PatchEmbedding {
    let layer: DenseLayer
    private let patches: Patches
    private let channels: Int
    private let positions: Matrix  // [T, D], float32
    private let workspace: Workspace
    /// Operands of the weight's gradient, of a group, rounded.
    private let operands: (values: TiledRows, gradient: TiledRows)?  // [G T, C P P], [G T, D]

    init(_ w: Workspace, _ ranges: LinearRanges) {
        let c = w.configuration
        workspace = w
        layer = w.layer(ranges, inputs: c.patchValues, outputs: c.width, needsInputGradient: false)
        patches = Patches(side: c.imageSize, patch: c.patchSize)
        channels = c.channels
        positions = w.arena.take(rows: c.tokens, columns: c.width, .float32)
        operands =
            w.use.isTraining
            ? (
                layer.inputRows(w.arena, w.element), layer.gradientRows(w.arena, w.element)
            ) : nil
    }

    /// - Parameter values: [T, D]
    func setPositions(_ values: [Float]) { positions.floats().update(from: values, count: values.count) }

    /// Begins the residual stream from images [B, C, S, S].
    func forward(_ pass: Pass, _ chain: PanelChain, images: FloatBuffer) {
        chain.panels { [self] panel, worker in
            let s = pass.scratch[worker]
            let values = s.rounded(layer.inputs)
            split(images, s, panel, into: values)
            let stream = workspace.stream.from(panel.firstRow)
            layer.multiply(values, into: stream, panel, worker)
            Rows.add(
                stream, bias: layer.biasPointer, addend: (positions, panel.firstRow, pass.cut.tokens),
                stream: stream, output: nil, rows: panel.rows)
        }
    }

    func backward(_ g: GroupPass, images: FloatBuffer) {
        guard let operands else { preconditionFailure("a network for inference has no backward pass") }
        let chain = g.chain()
        chain.panels { [self] panel, worker in
            let s = g.pass.scratch[worker]
            let row = g.window.row(panel)
            split(images, s, panel, into: operands.values.place(row))
            let own = g.gradient(panel)
            Rows.addColumns(own, to: layer.biasSums(panel, g.window), rows: panel.rows)
            let gradient = operands.gradient.target(row, s.normal)
            Rows.copy(own, to: gradient, rows: panel.rows)
            operands.gradient.store(gradient, at: row, count: panel.rows)
        }
        chain.finish()
        LayerGradient.run([LayerGradient(layer, operands.gradient, operands.values)], g)
    }

    /// The rounded values of a panel's patches.
    private func split(_ images: FloatBuffer, _ s: Scratch, _ panel: BatchCut.Panel, into values: Matrix) {
        let plain = s.product(layer.inputs)
        let tokens = workspace.configuration.tokens
        for row in 0..<panel.rows {
            let (sample, token) = (panel.firstRow + row).quotientAndRemainder(dividingBy: tokens)
            patches.split(
                images.base + sample * channels * patches.side * patches.side, channels: channels, token: token,
                into: plain.floats(row))
        }
        if values.base != plain.base { Rows.copy(plain, to: values, rows: panel.rows) }
    }
}

/// Tokens to images: a modulated norm, a linear map, and patches put together.
final class FinalLayer {
    let layer: DenseLayer
    let output: FloatBuffer  // [B, O, S, S]
    let modulation: Modulation
    private let patches: Patches
    private let channels: Int
    private let workspace: Workspace
    /// The layer's input, rounded, and what its norm found: [B T, D], [B T, 2].
    private let kept: (input: Matrix, statistics: FloatBuffer)?
    /// Operands of the weight's gradient, of a group, rounded: [G T, D], [G T, P P O].
    private let operands: (normal: TiledRows, gradient: TiledRows)?

    init(_ w: Workspace, _ ranges: LinearRanges, _ modulation: Modulation) {
        let c = w.configuration
        workspace = w
        self.modulation = modulation
        layer = w.layer(ranges, inputs: c.width, outputs: c.outputPatchValues)
        patches = Patches(side: c.imageSize, patch: c.patchSize)
        channels = c.outputChannels
        output = w.arena.take(w.capacity * c.outputValues)
        kept = w.use.isTraining ? (w.take(c.width), w.arena.take(w.capacity * c.tokens * 2)) : nil
        operands =
            w.use.isTraining
            ? (
                layer.inputRows(w.arena, w.element), layer.gradientRows(w.arena, w.element)
            ) : nil
    }

    private var imageValues: Int { channels * patches.side * patches.side }

    func forward(_ pass: Pass, _ chain: PanelChain) {
        chain.panels { [self] panel, worker in
            let s = pass.scratch[worker]
            let stream = workspace.stream.from(panel.firstRow)
            if let kept { Rows.copy(stream, to: kept.input.from(panel.firstRow), rows: panel.rows) }
            ModulatedNorm.forward(
                stream, shift: modulation.part(.shift1, panel), scale: modulation.part(.scale1, panel),
                statistics: kept.map { $0.statistics.base + 2 * panel.firstRow }, output: s.normal, rows: panel.rows)
            let values = s.product(layer.outputs)
            layer.multiply(s.normal, into: values, panel, worker)
            Rows.add(values, bias: layer.biasPointer, stream: values, output: nil, rows: panel.rows)
            for row in 0..<panel.rows {
                let (sample, token) = (panel.firstRow + row).quotientAndRemainder(dividingBy: pass.cut.tokens)
                patches.join(
                    values.floats(row), channels: channels, token: token, into: output.base + sample * imageValues)
            }
        }
    }

    /// The stream's gradient from that of the output images [B, O, S, S].
    func backward(_ g: GroupPass, outputGradient: FloatBuffer) {
        guard let kept, let operands else { preconditionFailure("a network for inference has no backward pass") }
        let chain = g.chain()
        chain.panels { [self] panel, worker in
            let s = g.pass.scratch[worker]
            let (row, rows) = (g.window.row(panel), panel.rows)
            let values = s.product(layer.outputs)
            for index in 0..<rows {
                let (sample, token) = (panel.firstRow + index).quotientAndRemainder(dividingBy: g.window.tokens)
                patches.joinBackward(
                    outputGradient.base + sample * imageValues, channels: channels, token: token,
                    into: values.floats(index))
            }
            Rows.addColumns(values, to: layer.biasSums(panel, g.window), rows: rows)
            let gradient = operands.gradient.target(row, s.rounded(layer.outputs))
            Rows.copy(values, to: gradient, rows: rows)
            operands.gradient.store(gradient, at: row, count: rows)
            layer.multiplyBack(gradient, into: s.narrow, panel, worker)
            let own = g.gradient(panel)
            own.floats().update(repeating: 0, count: rows * own.columns)
            ModulatedNorm.backward(
                .init(kept.input.from(panel.firstRow)), statistics: kept.statistics.base + 2 * panel.firstRow,
                shift: modulation.part(.shift1, panel), scale: modulation.part(.scale1, panel),
                outputGradient: s.narrow, gradient: own, shiftGradient: modulation.gradient(.shift1, panel, g.window),
                scaleGradient: modulation.gradient(.scale1, panel, g.window), output: operands.normal.place(row),
                scratch: s.row.base, rows: rows)
        }
        chain.finish()
        LayerGradient.run([LayerGradient(layer, operands.gradient, operands.normal)], g)
    }
}
