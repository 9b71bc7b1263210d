import Compute

/// What a block's forward pass leaves for its backward pass.
struct BlockActivations {
    let statistics1, statistics2: FloatBuffer  // [R, 2]
    let normal1, normal2: FloatBuffer  // [R, D]
    let qkv: FloatBuffer  // [R, 3 D]
    let attended: FloatBuffer  // [R, D]
    let branch1, branch2: FloatBuffer  // [R, D], the branches before their gates
    let middle: FloatBuffer  // [R, D], after the first residual
    let hidden: FloatBuffer  // [R, F], before GELU
    let activated: FloatBuffer  // [R, F]

    /// - Parameter training: false if no backward pass will follow; then buffers are shared where possible.
    init(_ arena: Arena, _ c: ModelConfiguration, rows: Int, training: Bool) {
        let rows = Tiling.tokens.padded(rows)
        statistics1 = arena.take(rows * 2)
        statistics2 = arena.take(rows * 2)
        normal1 = arena.take(rows * c.width)
        normal2 = training ? arena.take(rows * c.width) : normal1
        qkv = arena.take(rows * 3 * c.width)
        attended = arena.take(rows * c.width)
        branch1 = arena.take(rows * c.width)
        branch2 = training ? arena.take(rows * c.width) : branch1
        middle = arena.take(rows * c.width)
        hidden = arena.take(rows * c.mlpWidth)
        activated = training ? arena.take(rows * c.mlpWidth) : hidden
    }
}

/// What the backward pass of any block needs meanwhile.
struct BlockScratch {
    let wide: FloatBuffer  // [R, max(F, 2 D)], gradient of a hidden layer
    let narrow: FloatBuffer  // [R, D], gradient of a branch
    let normal: FloatBuffer  // [R, D], gradient of a norm's output
    let qkv: FloatBuffer  // [R, 3 D]

    init(_ arena: Arena, _ c: ModelConfiguration, rows: Int) {
        let rows = Tiling.tokens.padded(rows)
        wide = arena.take(rows * max(c.mlpWidth, 2 * c.width))
        narrow = arena.take(rows * c.width)
        normal = arena.take(rows * c.width)
        qkv = arena.take(rows * 3 * c.width)
    }
}

/// The six vectors that condition a block, for each sample: [B, 6 D], and their gradient.
struct Modulation {
    let values: FloatBuffer
    let gradient: FloatBuffer
    let width: Int

    /// Order of the parts, as published.
    enum Part: Int {
        case shift1, scale1, gate1, shift2, scale2, gate2
    }

    init(_ arena: Arena, parts: Int, width: Int, samples: Int, training: Bool) {
        let rows = Tiling.samples.padded(samples)
        values = arena.take(rows * parts * width)
        gradient = training ? arena.take(rows * parts * width) : values
        self.width = width
    }

    subscript(part: Part) -> FloatBuffer { values.slice(part.rawValue * width, values.count - part.rawValue * width) }

    func gradient(_ part: Part) -> FloatBuffer {
        gradient.slice(part.rawValue * width, gradient.count - part.rawValue * width)
    }
}

/// An adaLN-Zero transformer block (arXiv 2212.09748, 3.2), forward beside backward:
/// x + gate1 * attention(norm(x)), then + gate2 * mlp(norm(.)).
struct Block: Sendable {
    let qkv, projection, fc1, fc2, modulation: LinearLayer
    let norm: ModulatedNorm
    let gate: Gate
    let attention: Attention

    init(_ ranges: BlockRanges, _ c: ModelConfiguration) {
        let d = c.width
        qkv = LinearLayer(ranges.qkv, inputs: d, outputs: 3 * d)
        projection = LinearLayer(ranges.projection, inputs: d, outputs: d)
        fc1 = LinearLayer(ranges.fc1, inputs: d, outputs: c.mlpWidth)
        fc2 = LinearLayer(ranges.fc2, inputs: c.mlpWidth, outputs: d)
        modulation = LinearLayer(ranges.modulation, inputs: d, outputs: 6 * d, tiling: .samples)
        norm = ModulatedNorm(width: d, tokens: c.tokens, modulationStride: 6 * d)
        gate = Gate(width: d, tokens: c.tokens, modulationStride: 6 * d)
        attention = Attention(tokens: c.tokens, heads: c.heads, headWidth: c.headWidth)
    }

    /// output [R, D] from input [R, D]; may be in place where no backward pass follows.
    func forward(
        _ pass: Pass, input: FloatBuffer, modulation m: Modulation, saving a: BlockActivations,
        attentionScratch: FloatBuffer, output: FloatBuffer
    ) {
        let (engine, rows) = (pass.engine, pass.rows)
        norm.forward(
            engine, input: input, shift: m[.shift1], scale: m[.scale1], statistics: a.statistics1, output: a.normal1,
            rows: rows)
        qkv.forward(pass, a.normal1, into: a.qkv, rows: rows)
        attention.forward(engine, qkv: a.qkv, output: a.attended, scratch: attentionScratch, samples: pass.samples)
        projection.forward(pass, a.attended, into: a.branch1, rows: rows)
        norm.forward(
            engine, input: input, residual: .init(gate: m[.gate1], branch: a.branch1, sum: a.middle),
            shift: m[.shift2], scale: m[.scale2], statistics: a.statistics2, output: a.normal2, rows: rows)
        fc1.forward(pass, a.normal2, into: a.hidden, activated: a.activated, rows: rows)
        fc2.forward(pass, a.activated, into: a.branch2, rows: rows)
        gate.forward(engine, input: a.middle, gate: m[.gate2], branch: a.branch2, output: output, rows: rows)
    }

    /// Turns `gradient` [R, D] of the output into that of the input; adds to the gradients of the parameters and
    /// of the modulation.
    func backward(
        _ pass: Pass, _ gradients: FloatBuffer, input: FloatBuffer, modulation m: Modulation,
        saved a: BlockActivations, scratch: BlockScratch, attentionScratch: FloatBuffer, gradient: FloatBuffer
    ) {
        let (engine, rows, samples) = (pass.engine, pass.rows, pass.samples)
        gate.backward(
            engine, outputGradient: gradient, gate: m[.gate2], branch: a.branch2, gateGradient: m.gradient(.gate2),
            branchGradient: scratch.narrow, samples: samples)
        fc2.backward(
            pass, gradients, input: a.activated, outputGradient: scratch.narrow, inputGradient: scratch.wide,
            rows: rows)
        multiplyByGELUDerivative(engine, input: a.hidden, gradient: scratch.wide, count: rows * fc1.linear.outputs)
        fc1.backward(
            pass, gradients, input: a.normal2, outputGradient: scratch.wide, inputGradient: scratch.normal, rows: rows)
        norm.backward(
            engine, input: a.middle, statistics: a.statistics2, scale: m[.scale2], outputGradient: scratch.normal,
            inputGradient: gradient, shiftGradient: m.gradient(.shift2), scaleGradient: m.gradient(.scale2),
            residual: .init(
                gate: m[.gate1], branch: a.branch1, gateGradient: m.gradient(.gate1),
                branchGradient: scratch.narrow),
            samples: samples)
        projection.backward(
            pass, gradients, input: a.attended, outputGradient: scratch.narrow, inputGradient: scratch.normal,
            rows: rows)
        attention.backward(
            engine, qkv: a.qkv, outputGradient: scratch.normal, qkvGradient: scratch.qkv, scratch: attentionScratch,
            samples: samples)
        qkv.backward(
            pass, gradients, input: a.normal1, outputGradient: scratch.qkv, inputGradient: scratch.normal, rows: rows)
        norm.backward(
            engine, input: input, statistics: a.statistics1, scale: m[.scale1], outputGradient: scratch.normal,
            inputGradient: gradient, shiftGradient: m.gradient(.shift1), scaleGradient: m.gradient(.scale1),
            samples: samples)
    }
}

/// gradient [count] *= gelu'(input [count]), on all threads.
func multiplyByGELUDerivative(_ engine: Engine, input: FloatBuffer, gradient: FloatBuffer, count: Int) {
    engine.pool.parallelRanges(count, grain: 8_192) { range, _ in
        GELU.backward(
            input: input.base + range.lowerBound, gradient: gradient.base + range.lowerBound, count: range.count)
    }
}
