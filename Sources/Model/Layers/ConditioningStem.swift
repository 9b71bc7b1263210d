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
    private let scratch: FloatBuffer  // [G, D]
    private let width: Int

    /// A conditioning vector [B, D] before and after SiLU, and the gradient of the latter, of a group [G, D].
    struct Source {
        let sum, activated, gradient: FloatBuffer
    }

    init(_ arena: Arena, _ ranges: NetworkRanges, _ c: ModelConfiguration, samples: Int, group: Int) {
        let floats = Linear.padded(samples, group: c.cut.groupSamples) * c.width
        width = c.width
        timestep = TimestepEmbedding(arena, ranges, c, samples: samples)
        label = LabelEmbedding(arena, ranges, c, samples: samples)
        separateOuter = c.fixedPoint && !c.prePostTimestepConditioning
        let gradient = group * c.width
        full = Source(sum: arena.take(floats), activated: arena.take(floats), gradient: arena.take(gradient))
        outer =
            separateOuter
            ? Source(sum: label.output, activated: arena.take(floats), gradient: arena.take(gradient)) : full
        scratch = arena.take(gradient)
    }

    var layers: [ConditioningLayer] {
        var layers = [timestep.layer1, timestep.layer2]
        if case .projection(let layer, _) = label.kind { layers.append(layer) }
        return layers
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

    /// Before a group's backward pass, in which modulators add to the sources' gradients.
    func beginGroup() {
        full.gradient.fill(0)
        outer.gradient.fill(0)
    }

    func backward(_ pass: Pass, _ gradients: FloatBuffer, _ group: Range<Int>, labels: Labels, drop: [Bool]?) {
        let (first, count) = (group.lowerBound * width, group.count * width)
        SiLU.backward(input: full.sum.slice(first, count), gradient: full.gradient, count: count)
        timestep.backward(pass, gradients, group, gradient: full.gradient, scratch: scratch)
        if separateOuter {
            SiLU.backward(input: outer.sum.slice(first, count), gradient: outer.gradient, count: count)
            Elementwise.add(outer.gradient.base, to: full.gradient.base, count: count)
        }
        label.backward(pass, gradients, group, labels: labels, drop: drop, gradient: full.gradient)
    }
}
