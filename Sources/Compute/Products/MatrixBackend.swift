/// Who multiplies matrices: one narrow protocol, so that a backend or a precision is one file.
public protocol MatrixBackend: Sendable {
    /// As a report names it, with the kernels in use.
    var name: String { get }

    /// C [m, n] = alpha op(A) op(B) + beta C, row-major, on the calling thread; safe on several threads at once.
    /// `lda`, `ldb`, `ldc` are row strides of the matrices as stored.
    func multiply(
        transposeA: Bool, transposeB: Bool, m: Int, n: Int, k: Int, alpha: Float, a: UnsafePointer<Float>, lda: Int,
        b: UnsafePointer<Float>, ldb: Int, beta: Float, c: UnsafeMutablePointer<Float>, ldc: Int)
}

extension OpenBLAS: MatrixBackend {
    public var name: String { "OpenBLAS \(version) \(coreName)" }

    public func multiply(
        transposeA: Bool, transposeB: Bool, m: Int, n: Int, k: Int, alpha: Float, a: UnsafePointer<Float>, lda: Int,
        b: UnsafePointer<Float>, ldb: Int, beta: Float, c: UnsafeMutablePointer<Float>, ldc: Int
    ) {
        sgemm(transposeA, transposeB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
    }
}

/// What kernels run on: threads and a matrix backend.
public struct Engine: Sendable {
    public let pool: WorkerPool
    public let matrix: any MatrixBackend

    public init(pool: WorkerPool, matrix: any MatrixBackend) {
        self.pool = pool
        self.matrix = matrix
    }

    /// Counts the versions of this program's own arithmetic: up by one where a kernel or a tiling gives other bits.
    public static let arithmetic = 2

    /// OpenBLAS on `threads` threads.
    public init(threads: Int) throws {
        self.init(pool: WorkerPool(threads: threads), matrix: try OpenBLAS.load())
    }
}
