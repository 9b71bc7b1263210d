import Compute

/// The vectors that condition a block, or the final layer, for each sample: [B, parts D], and their gradient.
struct Modulation {
    /// Order of the parts, as published; the final layer has the first two.
    enum Part: Int {
        case shift1, scale1, gate1, shift2, scale2, gate2
    }

    let values: FloatBuffer  // [B, parts D]
    /// Of a group: a row for each panel that a sample is cut into, each written by one task only.
    private let slots: FloatBuffer  // [G slots, parts D]
    /// Of a group, by sample.
    let gradient: FloatBuffer  // [G, parts D]
    private let width: Int
    private let stride: Int
    private let slotsPerSample: Int

    init(_ arena: Arena, _ c: ModelConfiguration, parts: Int, samples: Int, group: Int) {
        width = c.width
        stride = parts * c.width
        slotsPerSample = c.cut.slotsPerSample
        values = arena.take(Linear.padded(samples, group: c.cut.groupSamples) * stride)
        slots = arena.take(group * slotsPerSample * stride)
        gradient = slotsPerSample == 1 ? slots : arena.take(group * stride)
    }

    /// A part, as a panel's rows see it.
    func part(_ part: Part, _ panel: BatchCut.Panel) -> SampleVectors {
        SampleVectors(
            values.base + panel.firstSample * stride + part.rawValue * width, stride: stride,
            rowsPerSample: panel.rowsPerSample)
    }

    /// Takes a sample's vectors to another place of the batch, in place of those there.
    func move(_ sample: Int, to place: Int) {
        values.slice(place * stride, stride).copy(from: values.slice(sample * stride, stride))
    }

    /// Its gradient, for the panel's task to add to.
    func gradient(_ part: Part, _ panel: BatchCut.Panel, _ window: Window) -> SampleVectors {
        let slot = panel.slot - window.samples.lowerBound * slotsPerSample
        return SampleVectors(
            slots.base + slot * stride + part.rawValue * width, stride: stride, rowsPerSample: panel.rowsPerSample)
    }

    func beginGroup() {
        slots.fill(0)
        if slotsPerSample > 1 { gradient.fill(0) }
    }

    /// Adds up what the panels of each sample have, in their order.
    func endGroup(samples: Int) {
        guard slotsPerSample > 1 else { return }
        for sample in 0..<samples {
            for slot in 0..<slotsPerSample {
                Elementwise.add(
                    slots.base + (sample * slotsPerSample + slot) * stride, to: gradient.base + sample * stride,
                    count: stride)
            }
        }
    }
}

/// A linear layer that turns a conditioning vector into a modulation, with the memory of both.
struct Modulator {
    let layer: ConditioningLayer
    let modulation: Modulation
    let source: ConditioningStem.Source

    func forward(_ pass: Pass) {
        layer.forward(pass, source.activated, into: modulation.values, rows: pass.samples)
    }

    /// After a group's backward pass: from what the panels added up to parameters and conditioning.
    func backward(_ pass: Pass, _ gradients: FloatBuffer, _ group: Range<Int>) {
        modulation.endGroup(samples: group.count)
        layer.backward(
            pass, gradients, input: source.activated, first: group.lowerBound, outputGradient: modulation.gradient,
            inputGradient: source.gradient, rows: group.count, accumulate: true)
    }
}

/// A linear layer that has a row for each sample, and its place in the flat vectors.
struct ConditioningLayer: Sendable {
    let linear: Linear
    let ranges: LinearRanges

    init(_ ranges: LinearRanges, inputs: Int, outputs: Int) {
        linear = Linear(inputs: inputs, outputs: outputs)
        self.ranges = ranges
    }

    func forward(_ pass: Pass, _ input: FloatBuffer, into output: FloatBuffer, rows: Int) {
        linear.forward(
            pass.engine, input: input, weight: pass.weights[ranges.weight], bias: pass.weights[ranges.bias],
            output: output, rows: rows, group: pass.cut.groupSamples)
    }

    /// Adds to the parameters' gradients and, where asked, forms that of the input.
    ///
    /// - Parameters:
    ///   - first: the row of the input at which the group starts; gradients hold the group's rows alone.
    func backward(
        _ pass: Pass, _ gradients: FloatBuffer, input: FloatBuffer, first: Int, outputGradient: FloatBuffer,
        inputGradient: FloatBuffer?, rows: Int, accumulate: Bool = false
    ) {
        linear.backwardWeight(
            pass.engine, input: input.slice(first * linear.inputs, rows * linear.inputs),
            outputGradient: outputGradient, weightGradient: gradients[ranges.weight],
            biasGradient: gradients[ranges.bias], rows: rows)
        if let inputGradient {
            linear.backwardInput(
                pass.engine, outputGradient: outputGradient, weight: pass.weights[ranges.weight],
                inputGradient: inputGradient, rows: rows, accumulate: accumulate)
        }
    }
}
