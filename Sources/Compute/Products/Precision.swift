/// What products multiply, and what is kept for the backward pass is stored in. Weights, gradients, the optimizer's
/// moments, the residual stream and all sums are float32 in either.
public enum Precision: String, CaseIterable, Sendable {
    case float32
    /// bfloat16, whose products add up in float32.
    case bf16

    public var element: Element { self == .float32 ? .float32 : .bfloat16 }
}
