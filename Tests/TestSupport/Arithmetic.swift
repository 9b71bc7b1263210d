import Compute
import Testing

/// Who multiplies, and in which precision: what tests of arithmetic are run with.
public struct Arithmetic: Sendable, CustomTestStringConvertible {
    public let library: MatrixLibrary
    public let precision: Precision

    public init(library: MatrixLibrary, precision: Precision) {
        (self.library, self.precision) = (library, precision)
    }

    public static let native = Arithmetic(library: .native, precision: .float32)
    public static let oneDNN = Arithmetic(library: .onednn, precision: .float32)
    public static let openBLAS = Arithmetic(library: .openblas, precision: .float32)
    /// Own kernels and both libraries.
    public static let float32 = [native, oneDNN, openBLAS]
    /// Those of own kernels and oneDNN whose products give a row the bits that it has alone: not oneDNN's without AVX-512.
    public static let independent = [native, oneDNN].filter {
        (try? $0.engine(threads: 1).backend.hasIndependentRows) ?? true
    }
    /// For tests with the trait `.bfloat16`.
    public static let oneDNNBFloat16 = Arithmetic(library: .onednn, precision: .bf16)
    /// Own kernels, and oneDNN where the processor has what it takes; that it has not, tests with the trait say.
    public static let bfloat16 =
        [Arithmetic(library: .native, precision: .bf16)] + (Processor.current.hasBFloat16 ? [oneDNNBFloat16] : [])

    public var element: Element { precision.element }
    public var testDescription: String { "\(library.rawValue), \(precision.rawValue)" }

    public func engine(threads: Int = 2) throws -> Engine {
        try Engine(threads: threads, library: library, precision: precision)
    }
}

extension Trait where Self == ConditionTrait {
    /// oneDNN has products of bfloat16 here; else the test's result says that it was skipped, and why.
    public static var bfloat16: Self {
        .enabled(if: Processor.current.hasBFloat16, "this processor has no products of bfloat16")
    }
}
