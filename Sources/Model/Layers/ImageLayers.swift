import Compute

/// Images to tokens: a convolution whose stride is its kernel, plus fixed positions.
struct PatchEmbedding {
    let layer: LinearLayer
    let patches: Patches
    let channels: Int
    let values: FloatBuffer  // [R, C P P]
    let positions: FloatBuffer  // [T, D]

    init(_ arena: Arena, _ ranges: NetworkRanges, _ c: ModelConfiguration, rows: Int) {
        layer = LinearLayer(ranges.patches, inputs: c.patchValues, outputs: c.width)
        patches = Patches(side: c.imageSize, patch: c.patchSize)
        channels = c.channels
        values = arena.take(Tiling.tokens.padded(rows) * c.patchValues)
        positions = arena.take(c.tokens * c.width)
    }

    /// - Parameter values: [T, D]
    func setPositions(_ values: [Float]) { positions.copy(from: values) }

    /// output [R, D] from images [B, C, S, S].
    func forward(_ pass: Pass, images: FloatBuffer, output: FloatBuffer) {
        let perImage = channels * patches.side * patches.side
        pass.engine.pool.parallelFor(pass.samples) { sample, _ in
            patches.split(images.base + sample * perImage, channels: channels, into: values.base + sample * perImage)
        }
        layer.forward(pass, values, into: output, rows: pass.rows)
        Elementwise.addRows(
            pass.engine, positions, period: pass.tokens, to: output, rows: pass.rows, columns: layer.linear.outputs)
    }

    func backward(_ pass: Pass, _ gradients: FloatBuffer, gradient: FloatBuffer) {
        layer.backward(
            pass, gradients, input: values, outputGradient: gradient, inputGradient: nil, rows: pass.rows)
    }
}

/// Tokens to images: a modulated norm, a linear map, and patches put together.
struct FinalLayer {
    let layer: LinearLayer
    let norm: ModulatedNorm
    let patches: Patches
    let channels: Int
    let statistics: FloatBuffer  // [R, 2]
    let normal: FloatBuffer  // [R, D]
    let values: FloatBuffer  // [R, P P O]; the gradient of the same, once the output has been formed
    let output: FloatBuffer  // [B, O, S, S]

    init(_ arena: Arena, _ ranges: NetworkRanges, _ c: ModelConfiguration, samples: Int) {
        let rows = Tiling.tokens.padded(samples * c.tokens)
        layer = LinearLayer(ranges.final, inputs: c.width, outputs: c.outputPatchValues)
        norm = ModulatedNorm(width: c.width, tokens: c.tokens, modulationStride: 2 * c.width)
        patches = Patches(side: c.imageSize, patch: c.patchSize)
        channels = c.outputChannels
        statistics = arena.take(rows * 2)
        normal = arena.take(rows * c.width)
        values = arena.take(rows * c.outputPatchValues)
        output = arena.take(samples * c.outputValues)
    }

    private var outputValues: Int { channels * patches.side * patches.side }

    func forward(_ pass: Pass, input: FloatBuffer, modulation: Modulation) {
        norm.forward(
            pass.engine, input: input, shift: modulation[.shift1], scale: modulation[.scale1], statistics: statistics,
            output: normal, rows: pass.rows)
        layer.forward(pass, normal, into: values, rows: pass.rows)
        pass.engine.pool.parallelFor(pass.samples) { sample, _ in
            patches.join(
                values.base + sample * outputValues, channels: channels, into: output.base + sample * outputValues)
        }
    }

    /// gradient [R, D] of the input from that of the output images [B, O, S, S].
    func backward(
        _ pass: Pass, _ gradients: FloatBuffer, input: FloatBuffer, modulation: Modulation,
        outputGradient: FloatBuffer, scratch: BlockScratch, gradient: FloatBuffer
    ) {
        pass.engine.pool.parallelFor(pass.samples) { sample, _ in
            patches.joinBackward(
                outputGradient.base + sample * outputValues, channels: channels,
                into: values.base + sample * outputValues)
        }
        layer.backward(
            pass, gradients, input: normal, outputGradient: values, inputGradient: scratch.normal, rows: pass.rows)
        gradient.fill(0)
        norm.backward(
            pass.engine, input: input, statistics: statistics, scale: modulation[.scale1],
            outputGradient: scratch.normal, inputGradient: gradient, shiftGradient: modulation.gradient(.shift1),
            scaleGradient: modulation.gradient(.scale1), samples: pass.samples)
    }
}
