import Compute

/// What every layer of one forward or backward pass needs.
///
/// Shapes in this module: B samples, T tokens, R = B T rows, D width, F hidden width of the MLP, O output channels, P
/// rows of a panel. "Rounded" is in the element type of products, which is float32 itself in that precision.
struct Pass {
    let engine: Engine
    /// Of the samples that take part.
    let cut: BatchCut
    /// What tasks of a forward pass take: as `cut` has them, or finer.
    let panels: [BatchCut.Panel]
    let weights: FloatBuffer
    let scratch: [Scratch]

    var samples: Int { cut.samples }
}

/// What a thread works on while it takes a panel through the layers.
struct Scratch {
    private let product: FloatBuffer  // [P, W]; W the widest layer's outputs
    private let rounded: Matrix  // [P, W], the product's own memory where products read floats
    let narrow: Matrix  // [P, D], float32: a product too
    let normal: Matrix  // [P, D], rounded: a norm's output, or the gradient of a branch
    let row: FloatBuffer  // [D]

    init(_ arena: Arena, _ c: ModelConfiguration, _ element: Element) {
        let rows = c.cut.panelRows
        let widest = [c.mlpWidth, 3 * c.width, c.outputPatchValues, c.patchValues].max() ?? 0
        product = arena.take(rows * widest)
        rounded =
            element == .float32
            ? Matrix(product, columns: widest) : arena.take(rows: rows, columns: widest, element)
        narrow = arena.take(rows: rows, columns: c.width, .float32)
        normal = arena.take(rows: rows, columns: c.width, element)
        row = arena.take(c.width)
    }

    /// Of a layer with so many outputs.
    func product(_ columns: Int) -> Matrix { Matrix(product, columns: columns) }

    /// What is made of it, value by value, for the next product to read.
    func rounded(_ columns: Int) -> Matrix { Matrix(rounded.base, rounded.element, columns: columns) }
}

/// Some samples of a batch: those whose rows a buffer holds, from its first row on.
struct Window {
    let tokens: Int
    let samples: Range<Int>
    let panels: Range<Int>

    /// All of them.
    init(_ cut: BatchCut) {
        (tokens, samples, panels) = (cut.tokens, 0..<cut.samples, 0..<cut.panels.count)
    }

    init(_ cut: BatchCut, _ group: BatchCut.Group) {
        (tokens, samples, panels) = (cut.tokens, group.samples, group.panels)
    }

    /// Where a panel's rows stand.
    func row(_ panel: BatchCut.Panel) -> Int { panel.firstRow - samples.lowerBound * tokens }

    func rows(_ matrix: Matrix, _ panel: BatchCut.Panel) -> Matrix { matrix.from(row(panel)) }
}

/// Work that is cut by panels until all rows of a sample are wanted at once.
///
/// What one task does to a panel stays in its cache: all that is said with `panels` is done to one panel before another,
/// when `attend` or `finish` asks for it.
final class PanelChain {
    typealias Body = (_ panel: BatchCut.Panel, _ worker: Int) -> Void

    private let pass: Pass
    private let all: ArraySlice<BatchCut.Panel>
    private var pending: [Body] = []

    /// All panels of a forward pass.
    init(_ pass: Pass) {
        self.pass = pass
        all = pass.panels[...]
    }

    /// Of a backward pass, a group's.
    init(_ pass: Pass, group panels: Range<Int>) {
        self.pass = pass
        all = pass.cut.panels[panels]
    }

    func panels(_ body: @escaping Body) { pending.append(body) }

    /// Does what is pending, then runs tasks over whole samples.
    func attend(_ tasks: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
        finish()
        pass.engine.pool.parallelFor(tasks, body)
    }

    func finish() {
        guard !pending.isEmpty else { return }
        pass.engine.pool.parallelFor(all.count) { task, worker in
            let panel = all[all.startIndex + task]
            for body in pending { body(panel, worker) }
        }
        pending.removeAll(keepingCapacity: true)
    }
}
