import COneDNN
import Glibc
import Reporting

/// oneDNN, loaded on first use. It multiplies bfloat16 by the processor's own instructions, where it has them.
public struct OneDNN: Sendable {
    /// Library that is loaded unless `FPDM_ONEDNN` names another.
    public static let defaultLibrary = "libdnnl.so.2"

    /// Whether `FPDM_ONEDNN` names one.
    static var isNamed: Bool { getenv("FPDM_ONEDNN") != nil }

    /// The process's oneDNN, or why there is none.
    private static let loaded: Result<OneDNN, LibraryError> = {
        let library = getenv("FPDM_ONEDNN").map { String(cString: $0) } ?? defaultLibrary
        if let problem = fpdm_onednn_load(library) {
            return .failure(
                LibraryError(
                    description: "cannot load oneDNN from \(library): \(String(cString: problem)); "
                        + (isNamed
                            ? "set FPDM_ONEDNN to the library's path, or unset it; run.gemm: native does without it"
                            : "install libdnnl2 (Debian), set FPDM_ONEDNN to the library's path, or choose run.gemm: native, "
                                + "or openblas (float32 only)")))
        }
        return .success(OneDNN())
    }()

    /// Loads the library if need be.
    /// - Throws: `LibraryError`
    public static func load() throws -> OneDNN { try loaded.get() }

    /// For instance `2.6.3`.
    public var version: String {
        var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
        fpdm_onednn_version(&major, &minor, &patch)
        return "\(major).\(minor).\(patch)"
    }

    /// The instruction sets it uses, as far as bits depend on them: in float32, all that have AVX-512 give the same.
    func instructions(_ precision: Precision) -> String {
        // dnnl_cpu_isa_t is a set of bits, each instruction set one more than those before it.
        switch fpdm_onednn_isa() {
        case let isa where isa & 0x20 != 0 && precision == .float32: "AVX512"
        // Not "AMX", as it was while few rows went by other kernels than many.
        case _ where hasBFloat16Tiles: "AMX_BF16"
        case _ where hasBFloat16: "AVX512_BF16"
        case let isa where isa & 0x20 != 0: "AVX512"
        case let isa where isa & 0x4 != 0: "AVX2"
        case let isa where isa & 0x2 != 0: "AVX"
        default: "SSE41"
        }
    }

    /// Whether its kernels are those for AVX-512, multiply bfloat16 by the processor's own instructions, and by tiles: what
    /// `ONEDNN_MAX_CPU_ISA` takes away it has not.
    var hasAVX512: Bool { fpdm_onednn_isa() & 0x20 != 0 }
    var hasBFloat16: Bool { fpdm_onednn_isa() & 0x80 != 0 }
    var hasBFloat16Tiles: Bool { fpdm_onednn_isa() & 0x200 != 0 }

    func name(_ precision: Precision) -> String { "oneDNN \(version) \(instructions(precision))" }

    /// Whether a row's bits depend on how many there are. With AMX they do: few go by other instructions, which add up in
    /// another order, and where the depth of many is cut depends on their number.
    func seesRows(_ element: Element) -> Bool { element == .bfloat16 && hasBFloat16Tiles }

    func product(_ shape: ProductShape, workers: Int, like first: OpaquePointer?) -> OpaquePointer {
        func strides(_ layout: ProductShape.Layout) -> (row: Int64, column: Int64) {
            switch layout {
            case .rows(let stride): (Int64(stride), 1)
            case .columns(let stride): (1, Int64(stride))
            case .packed: (0, 0)
            case .vectors: preconditionFailure("a layout that oneDNN does not read")
            }
        }
        let (a, b) = (strides(shape.a), strides(shape.b))
        var wanted = fpdm_product_shape(
            batch: shape.isBatch ? Int64(shape.batch) : 0, rows: Int64(shape.rows), columns: Int64(shape.columns),
            depth: Int64(shape.depth), a_row: a.row, a_column: a.column, b_row: b.row, b_column: b.column,
            c_row: Int64(shape.cStride), element: shape.element.rawValue, packed: shape.isPacked ? 1 : 0,
            accumulate: shape.accumulates ? 1 : 0)
        var product: OpaquePointer?
        let status = fpdm_product_create(&wanted, Int32(workers), first, &product)
        guard status == 0, let product else { fatalError("oneDNN's status \(status) for a product \(shape)") }
        return product
    }

    func packed(_ product: OpaquePointer?, row: Int, column: Int, _ memory: UnsafeMutableRawPointer) -> OpaquePointer {
        var packed: OpaquePointer?
        let status = fpdm_packed_create(product, Int64(row), Int64(column), memory, &packed)
        guard status == 0, let packed else { fatalError("oneDNN's status \(status) for a packed weight") }
        return packed
    }
}

/// Why a library of matrix products could not be used.
public struct LibraryError: Reportable {
    public var exitCode: Int32 { Failure.Status.software.rawValue }
    public let description: String
}
