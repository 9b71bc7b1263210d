import Compute

/// Labels of a batch, as a network takes them.
public enum Labels {
    /// [B], each in 0 ... classes; `classes` is the null class.
    case classes([Int])
    /// [B, classes]
    case continuous([Float])
    case none
}

/// The timestep's embedding: fixed features, then a two-layer perceptron (arXiv 2212.09748).
struct TimestepEmbedding {
    /// Width of the fixed features, as published.
    static let features = 256

    let layer1, layer2: ConditioningLayer
    let features: FloatBuffer  // [B, 256]
    let hidden, activated: FloatBuffer  // [B, D]
    let output: FloatBuffer  // [B, D]

    init(_ arena: Arena, _ ranges: NetworkRanges, _ c: ModelConfiguration, samples: Int) {
        let rows = Linear.padded(samples, group: c.cut.groupSamples)
        layer1 = ConditioningLayer(ranges.timestep1, inputs: Self.features, outputs: c.width)
        layer2 = ConditioningLayer(ranges.timestep2, inputs: c.width, outputs: c.width)
        features = arena.take(rows * Self.features)
        hidden = arena.take(rows * c.width)
        activated = arena.take(rows * c.width)
        output = arena.take(rows * c.width)
    }

    func forward(_ pass: Pass, _ timesteps: [Int]) {
        for sample in 0..<pass.samples {
            Embeddings.timestep(
                timesteps[sample], width: Self.features, into: features.base + sample * Self.features)
        }
        layer1.forward(pass, features, into: hidden, rows: pass.samples)
        SiLU.forward(hidden, into: activated, count: pass.samples * layer1.linear.outputs)
        layer2.forward(pass, activated, into: output, rows: pass.samples)
    }

    /// - Parameters:
    ///   - gradient: of the group's outputs, [G, D].
    ///   - scratch: [G, D]
    func backward(
        _ pass: Pass, _ gradients: FloatBuffer, _ group: Range<Int>, gradient: FloatBuffer, scratch: FloatBuffer
    ) {
        let width = layer1.linear.outputs
        layer2.backward(
            pass, gradients, input: activated, first: group.lowerBound, outputGradient: gradient,
            inputGradient: scratch, rows: group.count)
        SiLU.backward(
            input: hidden.slice(group.lowerBound * width, group.count * width), gradient: scratch,
            count: group.count * width)
        layer1.backward(
            pass, gradients, input: features, first: group.lowerBound, outputGradient: scratch, inputGradient: nil,
            rows: group.count)
    }
}

/// The label's embedding [B, D]: a row of a table, a linear map of a vector, or zero.
struct LabelEmbedding {
    enum Kind {
        case table(Range<Int>, classes: Int)
        case projection(ConditioningLayer, vectors: FloatBuffer)
        case none
    }

    let kind: Kind
    let width: Int
    let output: FloatBuffer  // [B, D]

    init(_ arena: Arena, _ ranges: NetworkRanges, _ c: ModelConfiguration, samples: Int) {
        let rows = Linear.padded(samples, group: c.cut.groupSamples)
        width = c.width
        output = arena.take(rows * c.width)
        switch ranges.label {
        case .table(let range):
            kind = .table(range, classes: c.classes)
        case .projection(let ranges):
            kind = .projection(
                ConditioningLayer(ranges, inputs: c.classes, outputs: c.width),
                vectors: arena.take(rows * c.classes))
        case .none:
            kind = .none
        }
    }

    /// - Parameter drop: samples whose label is replaced by the null class, or whose vector by zeros.
    func forward(_ pass: Pass, _ labels: Labels, drop: [Bool]?) {
        switch (kind, labels) {
        case (.table(let range, let classes), .classes(let labels)):
            let table = pass.weights[range]
            for sample in 0..<pass.samples {
                let row = Self.row(labels, drop, sample, classes)
                output.slice(sample * width, width).copy(from: table.slice(row * width, width))
            }
        case (.projection(let layer, let vectors), .continuous(let values)):
            let length = layer.linear.inputs
            for sample in 0..<pass.samples {
                let keep: Float = drop.map { $0[sample] } ?? false ? 0 : 1
                for i in sample * length..<(sample + 1) * length { vectors[i] = values[i] * keep }
            }
            layer.forward(pass, vectors, into: output, rows: pass.samples)
        case (.none, _):
            output.fill(0)
        default:
            preconditionFailure("labels of another kind than the network's")
        }
    }

    /// - Parameter gradient: of the group's outputs, [G, D].
    func backward(
        _ pass: Pass, _ gradients: FloatBuffer, _ group: Range<Int>, labels: Labels, drop: [Bool]?,
        gradient: FloatBuffer
    ) {
        switch (kind, labels) {
        case (.table(let range, let classes), .classes(let labels)):
            let table = gradients[range]
            for (index, sample) in group.enumerated() {
                let row = Self.row(labels, drop, sample, classes)
                Elementwise.add(gradient.base + index * width, to: table.base + row * width, count: width)
            }
        case (.projection(let layer, let vectors), _):
            layer.backward(
                pass, gradients, input: vectors, first: group.lowerBound, outputGradient: gradient,
                inputGradient: nil, rows: group.count)
        default:
            break
        }
    }

    private static func row(_ labels: [Int], _ drop: [Bool]?, _ sample: Int, _ classes: Int) -> Int {
        let label = drop.map { $0[sample] } ?? false ? classes : labels[sample]
        precondition(label >= 0 && label <= classes, "label out of range")
        return label
    }
}
