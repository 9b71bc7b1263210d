/// What kernels run on: threads, a matrix backend, and what its products multiply.
public struct Engine: Sendable {
    public let pool: WorkerPool
    public let backend: MatrixBackend
    public let precision: Precision
    public let products: ProductTable
    let convolutions = ConvolutionTable()

    public init(pool: WorkerPool, backend: MatrixBackend, precision: Precision = .float32) {
        self.pool = pool
        self.backend = backend
        self.precision = precision
        products = ProductTable(backend, for: pool)
    }

    /// The matrix library as a report names it: version and instructions, as far as bits depend on them.
    public var name: String { backend.name(precision) }
    /// The same of what an autoencoder is computed by.
    public var nameWithConvolutions: String { backend.nameWithConvolutions(precision) }

    /// Whether few rows of a layer take no longer than their share of many, to the same bits.
    public var takesFewRows: Bool { backend.takesFewRows(precision.element) }

    /// The same with no product prepared.
    public var withoutProducts: Engine { Engine(pool: pool, backend: backend, precision: precision) }

    /// Counts the versions of this program's own arithmetic: up by one where a kernel or a tiling gives other bits.
    public static let arithmetic = 6

    /// - Throws: why the library cannot be used, or not in this precision.
    public init(threads: Int, library: MatrixLibrary = .auto, precision: Precision = .float32) throws {
        try self.init(threads: threads, try library.load(for: precision), precision)
    }

    /// - Throws: why the library or the processor has no products of this precision.
    public init(threads: Int, _ backend: MatrixBackend, _ precision: Precision) throws {
        if precision == .bf16 { try backend.requireBFloat16() }
        self.init(pool: try WorkerPool(threads: threads), backend: backend, precision: precision)
    }
}
