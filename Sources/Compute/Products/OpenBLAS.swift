import COpenBLAS
import Glibc
import Reporting

/// OpenBLAS, loaded on first use with the kernels that suit this processor.
///
/// OpenBLAS picks its kernels when it loads. Up to 0.3.21 it takes slow ones for processors that it does not know, though
/// they run its AVX-512 ones; `OPENBLAS_CORETYPE` corrects it, and a value that the user has set stands.
public struct OpenBLAS: Sendable {
    /// Library that is loaded unless `FPDM_OPENBLAS` names another.
    public static let defaultLibrary = "libopenblas.so.0"

    private let table: Table

    private struct Table: @unchecked Sendable {
        var functions: fpdm_openblas
    }

    /// The process's OpenBLAS, or why there is none.
    private static let loaded: Result<OpenBLAS, LibraryError> = {
        if getenv("OPENBLAS_CORETYPE") == nil, let core = preferredCore(Processor.current) {
            setenv("OPENBLAS_CORETYPE", core, 1)
        }
        // Its own threads are never used; without this it would start them while loading.
        setenv("OPENBLAS_NUM_THREADS", "1", 1)
        let library = getenv("FPDM_OPENBLAS").map { String(cString: $0) } ?? defaultLibrary
        var functions = fpdm_openblas()
        if let problem = fpdm_openblas_load(library, &functions) {
            return .failure(
                LibraryError(
                    description: "cannot load OpenBLAS from \(library): \(String(cString: problem)); "
                        + "install libopenblas0 (Debian), or set FPDM_OPENBLAS to the library's path"))
        }
        return .success(OpenBLAS(table: Table(functions: functions)))
    }()

    /// Loads the library if need be.
    /// - Throws: `LibraryError`
    public static func load() throws -> OpenBLAS { try loaded.get() }

    /// The kernels to ask for where OpenBLAS would choose slower ones.
    static func preferredCore(_ processor: Processor) -> String? {
        guard processor.hasAVX512 else { return nil }
        // Zen 5 and later run 512-bit instructions at full width; Zen 4 splits them and gains nothing.
        if processor.isAMD { return processor.family >= 0x1A ? "SkylakeX" : nil }
        // Sapphire Rapids and later: where tiles are hidden, as in virtual machines, it falls back to kernels without AVX.
        return processor.family == 6 && processor.model >= 0x8F ? "SkylakeX" : nil
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

    public var name: String { "OpenBLAS \(version) \(coreName)" }

    /// A product of float32, on the calling thread.
    func run(
        _ shape: ProductShape, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ c: UnsafeMutablePointer<Float>
    ) {
        func layout(_ layout: ProductShape.Layout) -> (transposed: Int32, stride: Int32) {
            switch layout {
            case .rows(let stride): (Int32(fpdm_no_transpose), Int32(stride))
            case .columns(let stride): (Int32(fpdm_transpose), Int32(stride))
            case .packed, .vectors: preconditionFailure("a layout that OpenBLAS does not read")
            }
        }
        let (left, right) = (layout(shape.a), layout(shape.b))
        for index in 0..<shape.batch {
            table.functions.sgemm(
                Int32(fpdm_row_major), left.transposed, right.transposed, Int32(shape.rows), Int32(shape.columns),
                Int32(shape.depth), 1,
                a.assumingMemoryBound(to: Float.self) + index * shape.rows * shape.depth, left.stride,
                b.assumingMemoryBound(to: Float.self) + index * shape.depth * shape.columns, right.stride,
                shape.accumulates ? 1 : 0, c + index * shape.rows * shape.columns, Int32(shape.cStride))
        }
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
