import CPlatform

/// The backend that a job asks for.
public enum MatrixLibrary: String, CaseIterable, Sendable {
    /// The fastest there is (`choices`): it goes by what the processor has and what is installed, never by a timing, so that
    /// ranks on nodes of one kind choose alike.
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
            let choices = Self.choices(
                precision, hasWideRegisters: fpdm_has_registers_of_sixteen() != 0,
                bfloat16IsFaster: Self.bfloat16IsFaster)
            for library in choices.dropLast() {
                do {
                    return try library.load(for: precision)
                } catch {
                    // Who names a library means it.
                    if library == .onednn && OneDNN.isNamed { throw error }
                }
            }
            return try (choices.last ?? .native).load(for: precision)
        }
    }

    /// What `auto` takes the first of that there is.
    ///
    /// In float32 own kernels are the fastest with AVX-512. In bf16 they run at float32's speed, which oneDNN's exceed where
    /// the processor's products of bfloat16 do.
    static func choices(
        _ precision: Precision, hasWideRegisters: Bool, bfloat16IsFaster: Bool
    ) -> [MatrixLibrary] {
        switch precision {
        case .bf16: bfloat16IsFaster ? [.onednn] : [.native]
        case .float32: hasWideRegisters ? [.native] : [.onednn, .openblas, .native]
        }
    }

    /// Whether oneDNN has products of bfloat16 here that are faster than those of float32.
    private static var bfloat16IsFaster: Bool {
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
        case .onednn, .auto: Self.bfloat16IsFaster ? .bf16 : .float32
        }
    }
}
