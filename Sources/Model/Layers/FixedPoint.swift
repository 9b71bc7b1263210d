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

/// What one iteration leaves for its backward pass.
struct IterationActivations {
    let hidden: FloatBuffer  // [R, 2 D], before GELU
    let activated: FloatBuffer  // [R, 2 D]
    let injected: FloatBuffer  // [R, D], input of the block
    let block: BlockActivations

    init(_ arena: Arena, _ c: ModelConfiguration, rows: Int, training: Bool) {
        let padded = Tiling.tokens.padded(rows)
        hidden = arena.take(padded * 2 * c.width)
        activated = training ? arena.take(padded * 2 * c.width) : hidden
        injected = arena.take(padded * c.width)
        block = BlockActivations(arena, c, rows: rows, training: training)
    }
}

/// One fixed-point iteration z -> block(fc2(gelu(fc1([z, injection])))), forward beside backward.
///
/// The half of fc1 that sees the injection is constant in a solve: its product, with the bias, is formed once
/// (`inject`), and backwards the gradient at fc1's output is summed over the iterations first, so that half's
/// products are formed once too (`backwardInjection`). An iteration thus costs 4 D^2 multiplications a token
/// beyond its block's instead of 6 D^2.
struct FixedPointLayer: Sendable {
    let width: Int
    /// The halves of fc1's columns that see the state and the injection.
    let stateHalf, injectionHalf: Linear
    let ranges1: LinearRanges
    let fc2: LinearLayer
    let preProjection: LinearLayer
    let block: Block

    init(_ ranges: FixedPointRanges, _ c: ModelConfiguration) {
        let d = c.width
        width = d
        stateHalf = Linear(inputs: d, outputs: 2 * d, weightStride: 2 * d)
        injectionHalf = stateHalf
        ranges1 = ranges.injection1
        fc2 = LinearLayer(ranges.injection2, inputs: 2 * d, outputs: d)
        preProjection = LinearLayer(ranges.preProjection, inputs: d, outputs: d)
        block = Block(ranges.block, c)
    }

    private func stateWeight(_ flat: FloatBuffer) -> FloatBuffer { flat[ranges1.weight] }

    private func injectionWeight(_ flat: FloatBuffer) -> FloatBuffer {
        flat[ranges1.weight].slice(width, ranges1.weight.count - width)
    }

    /// injection [R, D] = projection of the input [R, D], and constant [R, 2 D], fc1's share of it.
    func inject(_ pass: Pass, input: FloatBuffer, injection: FloatBuffer, constant: FloatBuffer) {
        preProjection.forward(pass, input, into: injection, rows: pass.rows)
        injectionHalf.forward(
            pass.engine, input: injection, weight: injectionWeight(pass.weights), bias: pass.weights[ranges1.bias],
            output: constant, rows: pass.rows)
    }

    /// output [R, D] from state [R, D]; may be in place where no backward pass follows.
    func forward(
        _ pass: Pass, state: FloatBuffer, constant: FloatBuffer, modulation: Modulation,
        saving a: IterationActivations, attentionScratch: FloatBuffer, output: FloatBuffer
    ) {
        stateHalf.forward(
            pass.engine, input: state, weight: stateWeight(pass.weights), addend: constant, output: a.hidden,
            activated: a.activated, rows: pass.rows)
        fc2.forward(pass, a.activated, into: a.injected, rows: pass.rows)
        block.forward(
            pass, input: a.injected, modulation: modulation, saving: a.block, attentionScratch: attentionScratch,
            output: output)
    }

    /// Turns `gradient` [R, D] of an iteration's output into that of its state, and adds to the parameters'.
    ///
    /// - Parameters:
    ///   - constantGradient: [R, 2 D], takes the sum of the gradients at fc1's output.
    ///   - first: whether this is the solve's first iteration with a gradient, whose state is a constant.
    func backward(
        _ pass: Pass, _ gradients: FloatBuffer, state: FloatBuffer, modulation: Modulation,
        saved a: IterationActivations, scratch: BlockScratch, attentionScratch: FloatBuffer,
        constantGradient: FloatBuffer, gradient: FloatBuffer, first: Bool
    ) {
        let (engine, rows) = (pass.engine, pass.rows)
        block.backward(
            pass, gradients, input: a.injected, modulation: modulation, saved: a.block, scratch: scratch,
            attentionScratch: attentionScratch, gradient: gradient)
        fc2.backward(
            pass, gradients, input: a.activated, outputGradient: gradient, inputGradient: scratch.wide, rows: rows)
        multiplyByGELUDerivative(engine, input: a.hidden, gradient: scratch.wide, count: rows * 2 * width)
        Elementwise.add(engine, scratch.wide, to: constantGradient, count: rows * 2 * width)
        stateHalf.backwardWeight(
            engine, input: state, outputGradient: scratch.wide, weightGradient: stateWeight(gradients), rows: rows)
        if !first {
            stateHalf.backwardInput(
                engine, outputGradient: scratch.wide, weight: stateWeight(pass.weights), inputGradient: gradient,
                rows: rows)
        }
    }

    /// gradient [R, D] of `inject`'s input from that of its constant, summed over the iterations.
    func backwardInjection(
        _ pass: Pass, _ gradients: FloatBuffer, input: FloatBuffer, injection: FloatBuffer,
        constantGradient: FloatBuffer, scratch: BlockScratch, gradient: FloatBuffer
    ) {
        let (engine, rows) = (pass.engine, pass.rows)
        injectionHalf.backwardWeight(
            engine, input: injection, outputGradient: constantGradient, weightGradient: injectionWeight(gradients),
            biasGradient: gradients[ranges1.bias], rows: rows)
        injectionHalf.backwardInput(
            engine, outputGradient: constantGradient, weight: injectionWeight(pass.weights),
            inputGradient: scratch.narrow, rows: rows)
        preProjection.backward(
            pass, gradients, input: input, outputGradient: scratch.narrow, inputGradient: gradient, rows: rows)
    }
}
