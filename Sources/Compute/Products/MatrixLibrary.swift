import CPlatform

/// The backend that a job asks for.
public enum MatrixLibrary: String, CaseIterable, Sendable {
    /// The fastest there is: in float32 this program's own kernels, where it is built for processors with AVX-512; else
    /// oneDNN where it is installed, else OpenBLAS. It never goes by a timing, so that all ranks choose alike.
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
        case .native: return .native(convolutions: try? OneDNN.load())
        case .onednn: return .oneDNN(try OneDNN.load())
        case .openblas: return .openBLAS(try OpenBLAS.load())
        case .auto:
            // Who names a library means it.
            if OneDNN.isNamed { return .oneDNN(try OneDNN.load()) }
            if precision == .float32 && fpdm_has_registers_of_sixteen() != 0 {
                return try Self.native.load(for: precision)
            }
            do {
                return .oneDNN(try OneDNN.load())
            } catch {
                do {
                    return .openBLAS(try OpenBLAS.load())
                } catch let other {
                    throw LibraryError(description: "\(error); and \(other)")
                }
            }
        }
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
