import CPlatform

/// The backend that a job asks for.
public enum MatrixLibrary: String, CaseIterable, Sendable {
    /// The fastest there is: in float32 this program's own kernels, where it is built for processors with AVX-512; else
    /// oneDNN where it is installed, else OpenBLAS, else own kernels. In bf16 oneDNN, where the processor's products of
    /// bfloat16 are faster than those of float32; else own kernels. It never goes by a timing, so that all ranks choose alike.
    case auto
    case native
    case onednn
    case openblas

    /// The one that wrote a name into a checkpoint (`Engine.name`).
    public static func recorded(_ name: String) -> MatrixLibrary {
        name.hasPrefix("OpenBLAS") ? .openblas : name.hasPrefix("native") ? .native : .onednn
    }

    /// Loads it.
    /// - Throws: `LibraryError`
    public func load(for precision: Precision) throws -> MatrixBackend {
        switch self {
        case .native: return try Self.ownKernels()
        case .onednn: return .oneDNN(try OneDNN.load())
        case .openblas: return .openBLAS(try OpenBLAS.load())
        case .auto:
            switch precision {
            case .bf16: return try Self.fasterBFloat16 ? .oneDNN(OneDNN.load()) : Self.ownKernels()
            case .float32 where fpdm_has_registers_of_sixteen() != 0: return try Self.ownKernels()
            case .float32: break
            }
            do {
                return .oneDNN(try OneDNN.load())
            } catch {
                // Who names a library means it.
                if OneDNN.isNamed { throw error }
                if let blas = try? OpenBLAS.load() { return .openBLAS(blas) }
                return .native(convolutions: nil)
            }
        }
    }

    /// Whether oneDNN has products of bfloat16 here that are faster than those of float32.
    private static var fasterBFloat16: Bool {
        guard let library = try? OneDNN.load() else { return false }
        return Processor.current.prefersBFloat16(
            hasProducts: library.hasBFloat16, hasTiles: library.hasBFloat16Tiles)
    }

    private static func ownKernels() throws -> MatrixBackend {
        .native(convolutions: OneDNN.isNamed ? try OneDNN.load() : try? OneDNN.load())
    }

    /// The precision that is faster with it here, by what the processor has.
    public var fasterPrecision: Precision {
        switch self {
        case .native, .openblas: .float32
        case .onednn, .auto: Self.fasterBFloat16 ? .bf16 : .float32
        }
    }
}
