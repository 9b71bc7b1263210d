import Compute

/// One tensor of a network: declared once, so that memory, checkpoints, weight names and tests agree.
public struct Parameter: Sendable {
    /// As in published DiT and FPDM checkpoints.
    public let name: String
    public let shape: [Int]
    public let initialization: Initialization
    /// Where it stands in the flat vectors of weights, gradients and moments.
    public let range: Range<Int>
}

/// How a parameter starts.
public enum Initialization: Sendable, Equatable {
    case zeros
    case normal(deviation: Double)
    /// Uniform within sqrt(6 / (fanIn + fanOut)) (Glorot & Bengio, 2010).
    case xavierUniform(fanIn: Int, fanOut: Int)
}

extension FloatBuffer {
    /// The part of a flat vector that `range` names.
    @inlinable
    public subscript(range: Range<Int>) -> FloatBuffer { slice(range.lowerBound, range.count) }
}
