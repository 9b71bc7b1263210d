import Reporting

/// Who multiplies matrices.
public enum MatrixBackend: Sendable {
    /// This program's own kernels, for float32; convolutions by oneDNN where it is installed.
    case native(convolutions: OneDNN?)
    case oneDNN(OneDNN)
    case openBLAS(OpenBLAS)

    /// As a report names it: what bits of products depend on.
    func name(_ precision: Precision) -> String {
        switch self {
        case .native: "native \(NativeProduct.version)"
        case .oneDNN(let library): library.name(precision)
        case .openBLAS(let blas): blas.name
        }
    }

    /// What bits of products and convolutions depend on.
    func nameWithConvolutions(_ precision: Precision) -> String {
        guard case .native(let library?) = self else { return name(precision) }
        return "\(name(precision)) and \(library.name(precision))"
    }

    /// Whether the bits of a product's row depend neither on how many rows there are, nor on its place among them (`Product`).
    public var hasIndependentRows: Bool {
        switch self {
        case .native, .oneDNN: true
        case .openBLAS: false
        }
    }

    /// - Throws: `Failure` where the backend or the processor has no products of bfloat16.
    func requireBFloat16() throws {
        guard case .oneDNN(let library) = self else {
            let own = if case .native = self { "this program's own kernels are" } else { "OpenBLAS is" }
            throw Failure(
                .badData,
                "precision bf16 needs oneDNN, and \(own) in use; install libdnnl2 where it is missing and choose onednn (run.gemm, "
                    + "--gemm), or set precision: float32")
        }
        guard library.hasBFloat16 else {
            throw Failure(
                .badData,
                Processor.current.hasBFloat16
                    ? "oneDNN is kept from using products of bfloat16 (ONEDNN_MAX_CPU_ISA); lift that, or set precision: float32"
                    : "this processor has no products of bfloat16 (AVX512_BF16 or AMX_BF16); set precision: float32")
        }
    }
}
