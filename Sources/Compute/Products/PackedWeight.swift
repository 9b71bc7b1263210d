import COneDNN

/// A weight as its products read it: a copy in their layout and element type, made anew whenever the weight changes.
///
/// For own kernels by blocks of columns, for oneDNN as it likes; with OpenBLAS it is the weight itself.
public final class PackedWeight: @unchecked Sendable {
    /// K, a row's values before the product.
    public let inputs: Int
    /// N, a row's values after it.
    public let outputs: Int
    private let engine: Engine
    private let typicalRows: Int
    private let element: Element
    /// Floats from one row of K to the next, and from one column of N to the next, in the weight as it is stored.
    private let rowStride, columnStride: Int
    private let layout: Layout
    private var products: [Int: Product] = [:]
    private var plain: UnsafePointer<Float>?

    private enum Layout {
        /// As it is stored.
        case plain
        /// As oneDNN likes it; nil where memory is only measured.
        case oneDNN(OpaquePointer?)
        /// By blocks of columns (`ColumnBlocks`), bfloat16 in pairs of rows.
        case blocks(FloatBuffer)
    }

    /// - Parameters:
    ///   - transposed: whether the weight is stored [N, K], for x W^T; else [K, N], for dY W.
    ///   - stride: floats from one stored row to the next.
    ///   - typicalRows: that most products have: they decide on the layout, whatever the rows of a product.
    ///   - element: that its products multiply; the engine's precision if nil.
    public init(
        _ engine: Engine, _ arena: Arena, inputs: Int, outputs: Int, transposed: Bool, stride: Int, typicalRows: Int,
        element: Element? = nil
    ) {
        self.engine = engine
        self.typicalRows = typicalRows
        self.inputs = inputs
        self.outputs = outputs
        let element = element ?? engine.precision.element
        self.element = element
        (rowStride, columnStride) = transposed ? (1, stride) : (stride, 1)
        switch engine.backend {
        case .openBLAS: layout = .plain
        case .native:
            let blocks = ColumnBlocks(columns: outputs)
            layout = .blocks(
                arena.take(
                    element == .float32 ? blocks.packedCount(depth: inputs) : blocks.pairCount(depth: inputs)))
        case .oneDNN(let library):
            let product = engine.products.packed(
                rows: typicalRows, typical: typicalRows, columns: outputs, depth: inputs, element)
            let bytes = fpdm_product_packed(product.oneDNN)
            let memory = arena.take((bytes + 3) / 4)
            layout = .oneDNN(
                arena.isMeasuring
                    ? nil : library.packed(product.oneDNN, row: rowStride, column: columnStride, memory.base))
        }
    }

    deinit {
        if case .oneDNN(let packed?) = layout { fpdm_packed_destroy(packed) }
    }

    /// Prepares products of so many rows. To be called while none runs.
    public func prepare(rows: Int) {
        guard products[rows] == nil else { return }
        switch layout {
        case .oneDNN, .blocks:
            products[rows] = engine.products.packed(
                rows: rows, typical: typicalRows, columns: outputs, depth: inputs, element)
        case .plain:
            products[rows] = engine.products(
                ProductShape(
                    rows: rows, columns: outputs, depth: inputs,
                    b: rowStride == 1 ? .columns(stride: columnStride) : .rows(stride: rowStride), kind: .layer))
        }
    }

    /// Takes the weight's values as they are now; on the calling thread.
    ///
    /// - Parameter values: which must stay where they are until the next time.
    public func load(_ values: UnsafePointer<Float>) {
        plain = values
        switch layout {
        case .plain, .oneDNN(nil): break
        case .oneDNN(let packed?):
            let status = fpdm_packed_fill(packed, values)
            guard status == 0 else { fatalError("oneDNN's status \(status) while packing \(inputs) x \(outputs)") }
        case .blocks(let memory):
            let blocks = ColumnBlocks(columns: outputs)
            switch element {
            case .float32:
                blocks.pack(values, row: rowStride, column: columnStride, depth: inputs, into: memory.base)
            case .bfloat16:
                blocks.packPairs(
                    values, row: rowStride, column: columnStride, depth: inputs,
                    into: UnsafeMutableRawPointer(memory.base).assumingMemoryBound(to: UInt32.self))
            }
        }
    }

    /// output [rows, N] = input [rows, K] W, float32 and dense.
    ///
    /// - Parameter input: dense.
    public func multiply(_ input: Matrix, into output: Matrix, rows: Int, worker: Int) {
        assert(input.stride == inputs && output.stride == outputs, "products read and write dense matrices")
        guard let product = products[rows] else { fatalError("no product of \(rows) rows was prepared") }
        guard let plain else { fatalError("a weight that was not loaded") }
        switch layout {
        case .oneDNN(let packed):
            guard let packed else { fatalError("a weight without memory") }
            product.run(input.base, packed: packed, into: output.floats(), worker: worker)
        case .blocks(let memory):
            product.run(input.base, blocks: memory.base, into: output.floats(), worker: worker)
        case .plain:
            product.run(input.base, plain, into: output.floats(), worker: worker)
        }
    }
}
