import COneDNN

/// A matrix product, prepared once by a backend and run often, on the calling thread.
///
/// A row's bits do not depend on how many rows there are, nor on its place among them; only with OpenBLAS, whatever its
/// kernels, they may, with oneDNN's for processors without AVX-512, and with its AMX where B is not packed.
public final class Product: @unchecked Sendable {
    public let shape: ProductShape
    private let backend: Backend
    private let scratch: ProductScratch
    private let clock: KernelClock

    enum Backend {
        case openBLAS(OpenBLAS)
        case oneDNN(OpaquePointer)
        /// By another number of rows, which oneDNN has prepared: slice by slice.
        case oneDNNSlices(of: Product)
        case native(NativeProduct)
        case widened(WidenedProduct)
    }

    init(_ shape: ProductShape, _ backend: Backend, _ scratch: ProductScratch, _ clock: KernelClock) {
        self.shape = shape
        self.backend = backend
        self.scratch = scratch
        self.clock = clock
    }

    deinit {
        if case .oneDNN(let product) = backend { fpdm_product_destroy(product) }
    }

    /// Bytes of memory that a run needs beside its operands.
    var scratchBytes: Int {
        switch backend {
        case .openBLAS: 0
        case .oneDNN(let product): fpdm_product_scratch(product)
        case .oneDNNSlices(let whole): fpdm_product_slices_scratch(whole.oneDNN)
        case .native(let product): product.scratchBytes
        case .widened(let product): product.scratchBytes
        }
    }

    /// The product as oneDNN knows it; nil with others.
    var oneDNN: OpaquePointer? {
        if case .oneDNN(let product) = backend { return product }
        return nil
    }

    /// - Parameter worker: index of the thread at work in the engine's pool.
    public func run(
        _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, into c: UnsafeMutablePointer<Float>, worker: Int
    ) {
        timed(worker) {
            switch backend {
            case .openBLAS(let blas): blas.run(shape, a, b, c)
            case .oneDNN(let product):
                let status = fpdm_product_run(product, Int32(worker), a, b, nil, c, scratch[worker])
                guard status == 0 else { fatalError("oneDNN's status \(status) for \(shape)") }
            case .oneDNNSlices: preconditionFailure("slices of a product whose B is packed")
            case .native(let product):
                product.run(
                    a.assumingMemoryBound(to: Float.self), b.assumingMemoryBound(to: Float.self), into: c,
                    scratch: scratch[worker])
            case .widened(let product):
                product.run(
                    a.assumingMemoryBound(to: UInt16.self), b.assumingMemoryBound(to: UInt16.self), into: c,
                    scratch: scratch[worker])
            }
        }
    }

    /// The same with B packed by blocks of columns, which only this program's own products read.
    func run(
        _ a: UnsafeRawPointer, blocks: UnsafeRawPointer, into c: UnsafeMutablePointer<Float>, worker: Int
    ) {
        timed(worker) {
            switch backend {
            case .native(let product):
                product.run(
                    a.assumingMemoryBound(to: Float.self), packed: blocks.assumingMemoryBound(to: Float.self), into: c)
            case .widened(let product):
                product.run(
                    a.assumingMemoryBound(to: UInt16.self), packed: blocks.assumingMemoryBound(to: UInt32.self),
                    into: c, scratch: scratch[worker])
            case .oneDNN, .oneDNNSlices, .openBLAS: preconditionFailure("a library's product, another's packing")
            }
        }
    }

    /// The same with B as oneDNN packs it.
    func run(
        _ a: UnsafeRawPointer, packed: OpaquePointer, into c: UnsafeMutablePointer<Float>, worker: Int
    ) {
        timed(worker) {
            let status =
                switch backend {
                case .oneDNN(let product):
                    fpdm_product_run(product, Int32(worker), a, nil, packed, c, scratch[worker])
                case .oneDNNSlices(let whole):
                    fpdm_product_run_slices(
                        whole.oneDNN, Int32(worker), Int64(shape.rows), a, packed, c, scratch[worker])
                case .native, .widened, .openBLAS: preconditionFailure("a library's product, another's packing")
                }
            guard status == 0 else { fatalError("oneDNN's status \(status) for \(shape)") }
        }
    }

    @inline(__always)
    private func timed(_ worker: Int, _ body: () -> Void) {
        guard clock.isRunning else { return body() }
        let begin = KernelClock.now
        body()
        clock.add(shape.kind, since: begin, operations: shape.operations, worker: worker)
    }
}

/// Memory that products need while they run, one part for each thread; grows as products are prepared.
final class ProductScratch: @unchecked Sendable {
    private let workers: Int
    private(set) var bytesPerWorker = 0
    private var memory: UnsafeMutableRawPointer?

    init(workers: Int) { self.workers = workers }

    deinit { memory?.deallocate() }

    var bytes: Int { bytesPerWorker * workers }

    /// To be called while no product runs.
    func grow(to bytes: Int) {
        // Whole pages, so that no two threads write to one.
        let rounded = (bytes + 4095) / 4096 * 4096
        guard rounded > bytesPerWorker else { return }
        memory?.deallocate()
        bytesPerWorker = rounded
        memory = .allocate(byteCount: rounded * workers, alignment: 4096)
    }

    @inline(__always)
    subscript(worker: Int) -> UnsafeMutableRawPointer? { memory.map { $0 + worker * bytesPerWorker } }
}
