import COneDNN
import Synchronization

/// A convolution of tiles of one shape, prepared once by a backend and run often, on the calling thread.
///
/// oneDNN has its own; without it each tile's windows are laid out as rows of a matrix, which a product takes.
final class PreparedConvolution: @unchecked Sendable {
    let shape: ConvolutionShape
    private let backend: Backend
    private let scratch: ProductScratch
    private let clock: KernelClock

    private enum Backend {
        case oneDNN(OpaquePointer)
        case product(Product)
        /// Of own kernels, whose weights are packed by blocks of columns.
        case native(Product, ColumnBlocks)
    }

    init(_ shape: ConvolutionShape, _ engine: MatrixBackend, _ products: ProductTable, _ pool: WorkerPool) {
        self.shape = shape
        scratch = products.scratch
        clock = pool.clock
        switch engine {
        case .oneDNN, .native(.some):
            var wanted = fpdm_convolution_shape(
                inputs: Int64(shape.inputs), outputs: Int64(shape.outputs), rows: Int64(shape.rows),
                columns: Int64(shape.columns), kernel: Int64(shape.kernel), stride: Int64(shape.stride),
                element: shape.element.rawValue)
            var made: OpaquePointer?
            let status = fpdm_convolution_create(&wanted, Int32(pool.threadCount), &made)
            guard status == 0, let made else { fatalError("oneDNN's status \(status) for a convolution \(shape)") }
            backend = .oneDNN(made)
            scratch.grow(to: fpdm_convolution_scratch(made))
        case .openBLAS, .native(nil):
            guard shape.element == .float32 else { fatalError("convolutions by products multiply float32") }
            let isNative = engine.isNative
            let rows = shape.rows * shape.columns
            let product = products(
                ProductShape(
                    rows: rows, columns: shape.outputs, depth: shape.depth, b: isNative ? .packed(rows: rows) : nil,
                    shape.element, kind: .layer))
            backend = isNative ? .native(product, ColumnBlocks(columns: shape.outputs)) : .product(product)
            scratch.grow(to: rows * shape.depth * MemoryLayout<Float>.stride)
        }
    }

    deinit {
        if case .oneDNN(let convolution) = backend { fpdm_convolution_destroy(convolution) }
    }

    /// Bytes of the weights as `run` reads them.
    var packedBytes: Int {
        switch backend {
        case .oneDNN(let convolution): fpdm_convolution_packed(convolution)
        case .product: shape.depth * shape.outputs * MemoryLayout<Float>.stride
        case .native(_, let blocks): blocks.packedCount(depth: shape.depth) * MemoryLayout<Float>.stride
        }
    }

    /// Lays out weights [outputs, inputs, kernel, kernel] as `run` reads them, in `packedBytes` of memory.
    func pack(_ weights: UnsafePointer<Float>, into packed: UnsafeMutableRawPointer) {
        switch backend {
        case .oneDNN(let convolution):
            let status = fpdm_convolution_pack(convolution, weights, packed)
            guard status == 0 else { fatalError("oneDNN's status \(status) while packing \(shape)") }
        case .product: layOut(weights, into: packed.assumingMemoryBound(to: Float.self))
        case .native(_, let blocks):
            let rows = UnsafeMutablePointer<Float>.allocate(capacity: shape.depth * shape.outputs)
            defer { rows.deallocate() }
            layOut(weights, into: rows)
            blocks.pack(
                rows, row: shape.outputs, column: 1, depth: shape.depth,
                into: packed.assumingMemoryBound(to: Float.self))
        }
    }

    /// Weights as a matrix [kernel, kernel, inputs] x [outputs].
    private func layOut(_ weights: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>) {
        let window = shape.kernel * shape.kernel
        for output in 0..<shape.outputs {
            for input in 0..<shape.inputs {
                for place in 0..<window {
                    target[(place * shape.inputs + input) * shape.outputs + output] =
                        weights[(output * shape.inputs + input) * window + place]
                }
            }
        }
    }

    /// - Parameters:
    ///   - input: [inputRows, inputColumns, inputs] of the shape's elements.
    ///   - output: [rows, columns, outputs]
    func run(
        _ input: UnsafeRawPointer, packed: UnsafeRawPointer, into output: UnsafeMutablePointer<Float>, worker: Int
    ) {
        switch backend {
        case .oneDNN(let convolution):
            let begin = clock.isRunning ? KernelClock.now : 0
            let status = fpdm_convolution_run(convolution, Int32(worker), input, packed, output, scratch[worker])
            guard status == 0 else { fatalError("oneDNN's status \(status) for a convolution \(shape)") }
            if clock.isRunning { clock.add(.layer, since: begin, operations: shape.operations, worker: worker) }
        case .product(let product):
            product.run(windows(of: input, worker), packed, into: output, worker: worker)
        case .native(let product, _):
            product.run(
                windows(of: input, worker), blocks: packed.assumingMemoryBound(to: Float.self), into: output,
                worker: worker)
        }
    }

    /// In the worker's memory, which these products do not need themselves: OpenBLAS has its own, and of own products of
    /// float32 B is packed.
    private func windows(of input: UnsafeRawPointer, _ worker: Int) -> UnsafeMutablePointer<Float> {
        guard let windows = scratch[worker]?.assumingMemoryBound(to: Float.self) else {
            preconditionFailure("a convolution by products needs memory")
        }
        layOut(input.assumingMemoryBound(to: Float.self), windows: windows)
        return windows
    }

    /// Each output pixel's window as a row [kernel, kernel, inputs].
    private func layOut(_ input: UnsafePointer<Float>, windows: UnsafeMutablePointer<Float>) {
        let line = shape.kernel * shape.inputs
        var target = windows
        for row in 0..<shape.rows {
            for column in 0..<shape.columns {
                for dy in 0..<shape.kernel {
                    let source = ((row * shape.stride + dy) * shape.inputColumns + column * shape.stride) * shape.inputs
                    target.update(from: input + source, count: line)
                    target += line
                }
            }
        }
    }
}

/// The convolutions that have been prepared, each once for all layers of its shape.
final class ConvolutionTable: @unchecked Sendable {
    private let known = Mutex<[ConvolutionShape: PreparedConvolution]>([:])

    /// The convolution of a shape. To be called while none runs.
    func callAsFunction(_ shape: ConvolutionShape, _ engine: Engine) -> PreparedConvolution {
        known.withLock { known in
            if let convolution = known[shape] { return convolution }
            let convolution = PreparedConvolution(shape, engine.backend, engine.products, engine.pool)
            known[shape] = convolution
            return convolution
        }
    }
}
