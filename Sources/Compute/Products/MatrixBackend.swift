/// Who multiplies matrices.
public enum MatrixBackend: Sendable {
    case openBLAS(OpenBLAS)
    case oneDNN(OneDNN)

    /// As a report names it, with the kernels in use.
    func name(_ precision: Precision) -> String {
        switch self {
        case .openBLAS(let blas): blas.name
        case .oneDNN(let library): library.name(precision)
        }
    }
}

extension MatrixBackend {
    /// Whether the bits of a product's row depend neither on how many rows there are, nor on its place among them (`Product`).
    public var hasIndependentRows: Bool {
        switch self {
        case .openBLAS: false
        case .oneDNN: true
        }
    }

    /// Whether products of bfloat16 are faster than those of float32, by what the processor has.
    public var prefersBFloat16: Bool {
        switch self {
        case .openBLAS: false
        case .oneDNN(let library):
            Processor.current.prefersBFloat16(hasProducts: library.hasBFloat16, hasTiles: library.hasBFloat16Tiles)
        }
    }
}

/// The backend that a job asks for.
public enum MatrixLibrary: String, CaseIterable, Sendable {
    /// oneDNN where it is installed, else OpenBLAS.
    case auto
    case onednn
    case openblas

    /// Loads it.
    public func load() throws -> MatrixBackend {
        switch self {
        case .openblas: return .openBLAS(try OpenBLAS.load())
        case .onednn: return .oneDNN(try OneDNN.load())
        case .auto:
            do {
                return .oneDNN(try OneDNN.load())
            } catch {
                // Who names a library means it.
                if OneDNN.isNamed { throw error }
                do {
                    return .openBLAS(try OpenBLAS.load())
                } catch let other {
                    throw LibraryError(description: "\(error); and \(other)")
                }
            }
        }
    }
}
