import COneDNN
import Synchronization

/// The products that have been prepared, each once for all that use it.
public final class ProductTable: @unchecked Sendable {
    private let backend: MatrixBackend
    private let workers: Int
    private let clock: KernelClock
    let scratch: ProductScratch
    /// Of all that have been prepared: what they take while they run, for all threads.
    public var bytes: Int { scratch.bytes }
    private let products = Mutex<[ProductShape: Product]>([:])

    init(_ backend: MatrixBackend, for pool: WorkerPool) {
        self.backend = backend
        workers = pool.threadCount
        clock = pool.clock
        scratch = ProductScratch(workers: workers)
    }

    /// The product of a shape. To be called while none runs.
    public func callAsFunction(_ shape: ProductShape) -> Product {
        products.withLock { known in
            if let product = known[shape] { return product }
            let product = make(shape, like: nil)
            known[shape] = product
            return product
        }
    }

    /// Products whose B is packed alike, as one of `typical` rows reads it, by their number of rows.
    func packed(rows: Int, typical: Int, columns: Int, depth: Int, _ element: Element) -> Product {
        func shape(_ rows: Int) -> ProductShape {
            ProductShape(rows: rows, columns: columns, depth: depth, b: .packed(rows: typical), element, kind: .layer)
        }
        let first = self(shape(typical))
        guard rows != typical else { return first }
        return products.withLock { known in
            if let product = known[shape(rows)] { return product }
            let product = make(shape(rows), like: first)
            known[shape(rows)] = product
            return product
        }
    }

    private func make(_ shape: ProductShape, like first: Product?) -> Product {
        let product: Product
        switch backend {
        case .openBLAS(let blas):
            precondition(shape.element == .float32, "OpenBLAS multiplies float32 only")
            product = Product(shape, .openBLAS(blas), scratch, clock)
        case .oneDNN(let library):
            if let first, library.seesRows(shape.element) {
                product = Product(shape, .oneDNNSlices(of: first), scratch, clock)
            } else {
                product = Product(
                    shape, .oneDNN(library.product(shape, workers: workers, like: first?.oneDNN)), scratch, clock)
            }
        case .native:
            switch shape.element {
            case .float32: product = Product(shape, .native(NativeProduct(shape)), scratch, clock)
            case .bfloat16: product = Product(shape, .widened(WidenedProduct(shape)), scratch, clock)
            }
        }
        scratch.grow(to: product.scratchBytes)
        return product
    }
}
