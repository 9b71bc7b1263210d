import Compute
import Testing

/// Who multiplies, and in which precision: what tests of arithmetic are run with.
public struct Arithmetic: Sendable, CustomTestStringConvertible {
    public let library: MatrixLibrary
    public let precision: Precision

    public static let native = Arithmetic(library: .native, precision: .float32)
    public static let oneDNN = Arithmetic(library: .onednn, precision: .float32)
    public static let openBLAS = Arithmetic(library: .openblas, precision: .float32)
    /// Own kernels and both libraries.
    public static let float32 = [native, oneDNN, openBLAS]
    /// For tests with the trait `.bfloat16`.
    public static let bfloat16 = Arithmetic(library: .onednn, precision: .bf16)

    public var element: Element { precision.element }
    public var testDescription: String { "\(library.rawValue), \(precision.rawValue)" }

    public func engine(threads: Int = 2) throws -> Engine {
        try Engine(threads: threads, library: library, precision: precision)
    }
}

extension Trait where Self == ConditionTrait {
    /// Products of bfloat16 can be had; else the test's result says that it was skipped, and why.
    public static var bfloat16: Self {
        .enabled(if: Processor.current.hasBFloat16, "this processor has no products of bfloat16")
    }
}
