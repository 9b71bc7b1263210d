import Compute

/// Everything that conditions a network's blocks, and its gradient.
///
/// A block sees SiLU of either c = timestep + label ("full"), or the label alone ("outer", around a fixed point
/// without `prePostTimestepConditioning`).
struct ConditioningStem {
    let timestep: TimestepEmbedding
    let label: LabelEmbedding
    let separateOuter: Bool
    let full: Source
    let outer: Source
    private let scratch: FloatBuffer  // [B, D]
    private let width: Int

    /// A conditioning vector [B, D] before and after SiLU, and the gradient of the latter.
    struct Source {
        let sum, activated, gradient: FloatBuffer
    }

    init(_ arena: Arena, _ ranges: NetworkRanges, _ c: ModelConfiguration, samples: Int) {
        let floats = Tiling.samples.padded(samples) * c.width
        width = c.width
        timestep = TimestepEmbedding(arena, ranges, c, samples: samples)
        label = LabelEmbedding(arena, ranges, c, samples: samples)
        separateOuter = c.fixedPoint && !c.prePostTimestepConditioning
        full = Source(sum: arena.take(floats), activated: arena.take(floats), gradient: arena.take(floats))
        outer =
            separateOuter
            ? Source(sum: label.output, activated: arena.take(floats), gradient: arena.take(floats)) : full
        scratch = arena.take(floats)
    }

    func forward(_ pass: Pass, timesteps: [Int], labels: Labels, drop: [Bool]?) {
        let count = pass.samples * width
        timestep.forward(pass, timesteps)
        label.forward(pass, labels, drop: drop)
        full.sum.copy(from: timestep.output.slice(0, count))
        Elementwise.add(label.output.base, to: full.sum.base, count: count)
        SiLU.forward(full.sum, into: full.activated, count: count)
        if separateOuter { SiLU.forward(outer.sum, into: outer.activated, count: count) }
    }

    /// To be called before the blocks' backward passes, which add to the sources' gradients.
    func clearGradients() {
        full.gradient.fill(0)
        outer.gradient.fill(0)
    }

    func backward(_ pass: Pass, _ gradients: FloatBuffer, labels: Labels, drop: [Bool]?) {
        let count = pass.samples * width
        SiLU.backward(input: full.sum, gradient: full.gradient, count: count)
        timestep.backward(pass, gradients, gradient: full.gradient, scratch: scratch)
        if separateOuter {
            SiLU.backward(input: outer.sum, gradient: outer.gradient, count: count)
            Elementwise.add(outer.gradient.base, to: full.gradient.base, count: count)
        }
        label.backward(pass, gradients, labels: labels, drop: drop, gradient: full.gradient)
    }
}

/// A linear layer that turns a conditioning vector into a block's modulation, with the memory of both.
struct Modulator {
    let layer: LinearLayer
    let modulation: Modulation
    let source: ConditioningStem.Source

    func forward(_ pass: Pass) {
        layer.forward(pass, source.activated, into: modulation.values, rows: pass.samples)
    }

    /// To be called before the blocks' backward passes, which add to the modulation's gradient.
    func clearGradient() { modulation.gradient.fill(0) }

    func backward(_ pass: Pass, _ gradients: FloatBuffer) {
        layer.backward(
            pass, gradients, input: source.activated, outputGradient: modulation.gradient,
            inputGradient: source.gradient, rows: pass.samples, accumulate: true)
    }
}
