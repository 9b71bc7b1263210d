import Compute

/// A linear layer over rows, y = x W^T + b, with its packed weights and what its backward pass adds up.
final class DenseLayer {
    let inputs, outputs: Int
    private let weight: WeightPlace
    private let bias: Range<Int>?
    private let packed: PackedPair
    private var gradient: Gradient?
    private var biasValues: UnsafePointer<Float>?

    /// Where the weight stands in the flat vector: all columns of it, or `inputs` of them.
    struct WeightPlace {
        let range: Range<Int>
        var firstColumn = 0
        let stride: Int

        func isWhole(_ inputs: Int) -> Bool { stride == inputs }
        var first: Int { range.lowerBound + firstColumn }
    }

    /// A weight as its products read it, for x W^T and, where they are wanted, for dY W.
    struct PackedPair {
        let forward: PackedWeight
        let backward: PackedWeight?
    }

    private struct Gradient {
        /// [slots, N], the bias gradient of each panel of a group, added up over iterations.
        let bias: FloatBuffer
        /// [N, K], of a part of a weight's columns: products write dense matrices.
        let part: FloatBuffer
        /// How the output's gradient and the input lie.
        let layout, inputLayout: TileLayout
        var products: [Int: WeightGradient.Products] = [:]
    }

    /// - Parameters:
    ///   - training: whether a backward pass will follow.
    ///   - columns: of the weight that it has, where it is a part of a layer; then it has its bias only where asked.
    ///   - needsInputGradient: false where nothing before the layer has parameters.
    ///   - other: a layer of the same shape, whose memory for packed weights this one uses in turn with it.
    init(
        _ engine: Engine, _ arena: Arena, _ ranges: LinearRanges, inputs: Int, outputs: Int, training: Bool,
        panelRows: Int, group: (rows: Int, panels: Int), part: (firstColumn: Int, stride: Int, hasBias: Bool)? = nil,
        needsInputGradient: Bool = true, inTurnWith other: DenseLayer? = nil
    ) {
        precondition(other == nil || other?.inputs == inputs && other?.outputs == outputs, "layers of two shapes")
        self.inputs = inputs
        self.outputs = outputs
        weight = WeightPlace(
            range: ranges.weight, firstColumn: part?.firstColumn ?? 0, stride: part?.stride ?? inputs)
        bias = part?.hasBias ?? true ? ranges.bias : nil
        let stride = weight.stride
        packed =
            other?.packed
            ?? PackedPair(
                forward: PackedWeight(
                    engine, arena, inputs: inputs, outputs: outputs, transposed: true, stride: stride,
                    typicalRows: panelRows),
                backward: training && needsInputGradient
                    ? PackedWeight(
                        engine, arena, inputs: outputs, outputs: inputs, transposed: false, stride: stride,
                        typicalRows: panelRows) : nil)
        gradient =
            training
            ? Gradient(
                bias: arena.take(bias == nil ? 0 : group.panels * outputs),
                part: arena.take(weight.isWhole(inputs) ? 0 : outputs * inputs),
                layout: .outputGradient(engine, rows: group.rows, columns: outputs, depth: inputs),
                inputLayout: .input(engine, rows: group.rows, columns: inputs)) : nil
    }

    /// Packs the weights of layers as they are now.
    ///
    /// - Parameter backward: whether for dY W, too, where a layer has that.
    static func pack(_ layers: [DenseLayer], _ weights: FloatBuffer, backward: Bool, _ pool: WorkerPool) {
        // The largest first, so that no thread is left with one of them.
        let all = layers.flatMap { layer in
            [layer.packed.forward, backward ? layer.packed.backward : nil].compactMap { $0 }
                .map { (packed: $0, first: layer.weight.first) }
        }.sorted { $0.packed.inputs * $0.packed.outputs > $1.packed.inputs * $1.packed.outputs }
        pool.parallelFor(all.count) { task, _ in all[task].packed.load(weights.base + all[task].first) }
    }

    func loadBias(_ weights: FloatBuffer) { biasValues = bias.map { UnsafePointer(weights.base + $0.lowerBound) } }

    var biasPointer: UnsafePointer<Float> {
        guard let biasValues else { preconditionFailure("a layer without bias, or weights that were not loaded") }
        return biasValues
    }

    /// Memory for its output gradient over a group's rows, as its weight gradient reads it.
    func gradientRows(_ arena: Arena, _ element: Element) -> TiledRows { TiledRows(arena, trained.layout, element) }

    /// The same for its input.
    func inputRows(_ arena: Arena, _ element: Element) -> TiledRows { TiledRows(arena, trained.inputLayout, element) }

    /// The same for an input that is kept as a row-major matrix.
    func inputCopy(_ arena: Arena, _ element: Element) -> TiledRows { .copy(arena, trained.inputLayout, element) }

    private var trained: Gradient {
        guard let gradient else { preconditionFailure("a layer for inference has no gradient") }
        return gradient
    }

    /// To be called while none of its products runs.
    ///
    /// - Parameter forward: a forward pass's panels.
    func prepare(_ engine: Engine, _ cut: BatchCut, forward: [BatchCut.Panel]) {
        // A backward pass may form its activations again.
        for rows in Set((cut.panels + forward).map(\.rows)) { packed.forward.prepare(rows: rows) }
        for rows in Set(cut.panels.map(\.rows)) { packed.backward?.prepare(rows: rows) }
        guard let layout = gradient?.layout, let input = gradient?.inputLayout else { return }
        for group in cut.groups where gradient?.products[group.samples.count] == nil {
            gradient?.products[group.samples.count] = WeightGradient.products(
                engine, layout, input, rows: group.samples.count * cut.tokens)
        }
    }

    /// x W^T of a panel, dense, without the bias.
    func multiply(_ input: Matrix, into output: Matrix, _ panel: BatchCut.Panel, _ worker: Int) {
        packed.forward.multiply(input, into: output, rows: panel.rows, worker: worker)
    }

    /// dY W of a panel, dense.
    func multiplyBack(_ gradient: Matrix, into output: Matrix, _ panel: BatchCut.Panel, _ worker: Int) {
        guard let backward = packed.backward else { preconditionFailure("a layer for inference has no backward pass") }
        backward.multiply(gradient, into: output, rows: panel.rows, worker: worker)
    }

    /// Where the column sums of a panel's output gradient are added up.
    func biasSums(_ panel: BatchCut.Panel, _ window: Window) -> UnsafeMutablePointer<Float> {
        guard let gradient else { preconditionFailure("a layer for inference has no gradient") }
        return gradient.bias.base + (panel.index - window.panels.lowerBound) * outputs
    }

    // MARK: - A group's gradient

    /// Before a group's backward pass.
    func beginGroup() {
        gradient?.bias.fill(0)
        gradient?.part.fill(0)
    }

    /// The products over a group's rows.
    func gradientProducts(_ window: Window) -> WeightGradient.Products {
        guard let products = gradient?.products[window.samples.count] else {
            preconditionFailure("a group of another size than was prepared")
        }
        return products
    }

    /// Where they add the weight's gradient.
    func weightGradient(_ gradients: FloatBuffer) -> FloatBuffer {
        guard let gradient, !weight.isWhole(inputs) else { return gradients[weight.range] }
        return gradient.part
    }

    /// After a group's backward pass: adds what was kept apart to the flat vector.
    ///
    /// - Parameter panels: of the group.
    func endGroup(_ gradients: FloatBuffer, panels: Int) {
        guard let gradient else { return }
        if let bias {
            for panel in 0..<panels {
                Elementwise.add(
                    gradient.bias.base + panel * outputs, to: gradients.base + bias.lowerBound, count: outputs)
            }
        }
        guard !weight.isWhole(inputs) else { return }
        for row in 0..<outputs {
            Elementwise.add(
                gradient.part.base + row * inputs, to: gradients.base + weight.first + row * weight.stride,
                count: inputs)
        }
    }
}
