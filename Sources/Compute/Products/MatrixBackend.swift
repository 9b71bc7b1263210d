import Reporting

/// Who multiplies matrices.
public enum MatrixBackend: Sendable {
    /// This program's own kernels; convolutions by oneDNN where it is installed.
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

    var isNative: Bool { if case .native = self { true } else { false } }

    /// What bits of products and convolutions depend on.
    func nameWithConvolutions(_ precision: Precision) -> String {
        guard case .native(let library?) = self else { return name(precision) }
        return "\(name(precision)) and \(library.name(.float32))"
    }

    /// What an autoencoder's convolutions and attention multiply: beside own kernels float32, for they keep nothing that
    /// bfloat16 would make smaller.
    func imageElement(_ precision: Precision) -> Element {
        isNative ? .float32 : precision.element
    }

    /// Whether the bits of a product's row depend neither on how many rows there are, nor on its place among them (`Product`).
    public var hasIndependentRows: Bool {
        switch self {
        case .native: true
        case .oneDNN(let library): library.hasAVX512
        case .openBLAS: false
        }
    }

    /// Whether few rows take no longer than their share of many, to the same bits.
    func takesFewRows(_ element: Element) -> Bool {
        // Where that library sees rows, few cost as much as a whole panel.
        if case .oneDNN(let library) = self, library.seesRows(element) { return false }
        return hasIndependentRows
    }

    /// - Throws: `Failure` where the backend or the processor has no products of bfloat16.
    func requireBFloat16() throws {
        switch self {
        case .native: break
        case .openBLAS:
            throw Failure(
                .badData,
                "precision bf16 needs own kernels or oneDNN, and OpenBLAS is in use; choose native or onednn (run.gemm, "
                    + "--gemm), or set precision: float32")
        case .oneDNN(let library):
            guard !library.hasBFloat16 else { return }
            throw Failure(
                .badData,
                (Processor.current.hasBFloat16
                    ? "oneDNN is kept from using products of bfloat16 (ONEDNN_MAX_CPU_ISA); lift that"
                    : "this processor has no products of bfloat16 (AVX512_BF16 or AMX_BF16), which oneDNN needs")
                    + ", choose native, which does without (run.gemm, --gemm), or set precision: float32")
        }
    }
}
