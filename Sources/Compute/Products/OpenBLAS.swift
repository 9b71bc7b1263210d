import COpenBLAS
import Glibc
import Reporting

/// OpenBLAS, loaded on first use with the kernels that suit this processor.
///
/// OpenBLAS picks its kernels when it loads. Up to 0.3.21 it takes AVX2 ones for AMD processors that it does not
/// know, though they run its AVX-512 ones; `OPENBLAS_CORETYPE` corrects it, and a value that the user has set stands.
public struct OpenBLAS: Sendable {
    /// Why a BLAS could not be used.
    public struct LoadError: Reportable {
        public var exitCode: Int32 { Failure.Status.software.rawValue }
        public let description: String
    }

    /// Library that is loaded unless `FPDM_OPENBLAS` names another.
    public static let defaultLibrary = "libopenblas.so.0"

    private let table: Table

    private struct Table: @unchecked Sendable {
        var functions: fpdm_openblas
    }

    /// The process's OpenBLAS, or why there is none.
    private static let loaded: Result<OpenBLAS, LoadError> = {
        if getenv("OPENBLAS_CORETYPE") == nil, let core = preferredCore(Processor.current) {
            setenv("OPENBLAS_CORETYPE", core, 1)
        }
        // Its own threads are never used; without this it would start them while loading.
        setenv("OPENBLAS_NUM_THREADS", "1", 1)
        let library = getenv("FPDM_OPENBLAS").map { String(cString: $0) } ?? defaultLibrary
        var functions = fpdm_openblas()
        if let problem = fpdm_openblas_load(library, &functions) {
            return .failure(
                LoadError(
                    description: "cannot load OpenBLAS from \(library): \(String(cString: problem)); "
                        + "install libopenblas0 (Debian), or set FPDM_OPENBLAS to the library's path"))
        }
        return .success(OpenBLAS(table: Table(functions: functions)))
    }()

    /// Loads the library if need be.
    public static func load() throws -> OpenBLAS { try loaded.get() }

    /// The kernels to ask for where OpenBLAS would choose slower ones.
    static func preferredCore(_ processor: Processor) -> String? {
        // Zen 5 and later run 512-bit instructions at full width; Zen 4 splits them and gains nothing.
        processor.isAMD && processor.family >= 0x1A && processor.hasAVX512 ? "SkylakeX" : nil
    }

    /// Name of the kernels in use, such as `SkylakeX`.
    public var coreName: String { String(cString: table.functions.coreName()!) }
    /// For instance `0.3.21`.
    public var version: String {
        // "OpenBLAS 0.3.21 NO_AFFINITY ..."
        let words = configuration.split(separator: " ")
        return words.count > 1 ? String(words[1]) : "of unknown version"
    }
    /// Version and build options in OpenBLAS's words.
    public var configuration: String { String(cString: table.functions.configuration()!) }

    /// C [m, n] = alpha op(A) op(B) + beta C, row-major, on the calling thread.
    @inline(__always)
    func sgemm(
        _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Float,
        _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int, _ beta: Float,
        _ c: UnsafeMutablePointer<Float>, _ ldc: Int
    ) {
        let none = Int32(fpdm_no_transpose)
        let transposed = Int32(fpdm_transpose)
        table.functions.sgemm(
            Int32(fpdm_row_major), transposeA ? transposed : none, transposeB ? transposed : none,
            Int32(m), Int32(n), Int32(k), alpha, a, Int32(lda), b, Int32(ldb), beta, c, Int32(ldc))
    }

    /// Eigenvalues, ascending, and eigenvectors of a symmetric matrix (LAPACK `dsyev`).
    /// - Parameter matrix: n x n, replaced by the eigenvectors, one a row.
    public func symmetricEigenvalues(_ matrix: inout [Double], n: Int) -> [Double]? {
        precondition(matrix.count == n * n, "not a square matrix")
        if n == 0 { return [] }
        var size = Int32(n)
        var values = [Double](repeating: 0, count: n)
        var workSize = Int32(max(1, 34 * n))
        var work = [Double](repeating: 0, count: Int(workSize))
        var info: Int32 = 0
        var leading = size
        table.functions.dsyev("V", "U", &size, &matrix, &leading, &values, &work, &workSize, &info, 1, 1)
        return info == 0 ? values : nil
    }
}
