import CPlatform

/// The backend that a job asks for.
public enum MatrixLibrary: String, CaseIterable, Sendable {
    /// The fastest there is: in float32 this program's own kernels, where it is built for processors with AVX-512; else
    /// oneDNN where it is installed, else OpenBLAS, else own kernels. It never goes by a timing, so that all ranks choose alike.
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
            if precision == .float32 && fpdm_has_registers_of_sixteen() != 0 { return try Self.ownKernels() }
            do {
                return .oneDNN(try OneDNN.load())
            } catch {
                // Who names a library means it.
                if OneDNN.isNamed { throw error }
                do {
                    return .openBLAS(try OpenBLAS.load())
                } catch let other {
                    if precision == .float32 { return .native(convolutions: nil) }
                    throw LibraryError(description: "\(error); and \(other)")
                }
            }
        }
    }

    private static func ownKernels() throws -> MatrixBackend {
        .native(convolutions: OneDNN.isNamed ? try OneDNN.load() : try? OneDNN.load())
    }

    /// The precision that is faster with it here, by what the processor has.
    public var fasterPrecision: Precision {
        switch self {
        case .native, .openblas: return .float32
        case .onednn, .auto:
            guard let library = try? OneDNN.load() else { return .float32 }
            return Processor.current.prefersBFloat16(
                hasProducts: library.hasBFloat16, hasTiles: library.hasBFloat16Tiles) ? .bf16 : .float32
        }
    }
}
