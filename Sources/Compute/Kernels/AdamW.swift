/// One step of AdamW (Loshchilov & Hutter, arXiv 1711.05101) in PyTorch's form, and the exponential moving average
/// of the weights, in one pass over memory.
public struct AdamW: Equatable, Sendable {
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var weightDecay: Double
    public var emaDecay: Double

    public init(
        learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, emaDecay: Double
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.emaDecay = emaDecay
    }

    /// A slice of the flat vectors that a step updates; all of equal length.
    public struct State {
        public let weights: FloatBuffer
        public let firstMoment: FloatBuffer
        public let secondMoment: FloatBuffer
        public let ema: FloatBuffer

        public init(weights: FloatBuffer, firstMoment: FloatBuffer, secondMoment: FloatBuffer, ema: FloatBuffer) {
            self.weights = weights
            self.firstMoment = firstMoment
            self.secondMoment = secondMoment
            self.ema = ema
        }
    }

    /// - Parameters:
    ///   - gradient: of the same length as the state's vectors.
    ///   - gradientScale: multiplies the gradient first.
    ///   - step: counts from 1, for the correction of the moments' bias.
    public func apply(_ engine: Engine, gradient: FloatBuffer, gradientScale: Float = 1, to state: State, step: Int) {
        precondition(step >= 1, "steps count from 1")
        let c1 = 1 - powi(beta1, step)
        let c2 = 1 - powi(beta2, step)
        let decay = Vector(repeating: Float(-learningRate * weightDecay))
        let (b1, a1) = (Vector(repeating: Float(beta1)), Vector(repeating: Float(1 - beta1)))
        let (b2, a2) = (Vector(repeating: Float(beta2)), Vector(repeating: Float(1 - beta2)))
        let rate = Vector(repeating: Float(-learningRate / c1))
        let secondScale = Vector(repeating: Float(1 / c2.squareRoot()))
        let epsilons = Vector(repeating: Float(epsilon))
        let e = Vector(repeating: Float(1 - emaDecay))
        let gradientScales = Vector(repeating: gradientScale)

        /// New (weight, m, v, ema) of sixteen elements.
        @inline(__always)
        func update(_ g: Vector, _ w: Vector, _ m: Vector, _ v: Vector, _ average: Vector) -> (
            Vector, Vector, Vector, Vector
        ) {
            let g = g * gradientScales
            let m = multiplyAdd(b1, m, a1 * g)
            let v = multiplyAdd(b2, v, a2 * g * g)
            let denominator = multiplyAdd(squareRoot(v), secondScale, epsilons)
            // Not w * (1 - rate * decay): that factor is a multiple of 6e-8.
            let w = multiplyAdd(rate, m / denominator, multiplyAdd(decay, w, w))
            // Not decay * average + e * w: Float(0.9999) + Float(0.0001) is 1 - 1.7e-8, which the average would show
            // 10,000 times over.
            return (w, m, v, multiplyAdd(e, w - average, average))
        }

        engine.pool.parallelRanges(gradient.count, grain: 8_192) { range, _ in
            let start = range.lowerBound
            let (g, w) = (gradient.base + start, state.weights.base + start)
            let (m, v) = (state.firstMoment.base + start, state.secondMoment.base + start)
            let average = state.ema.base + start
            for (i, n) in vectors(range.count) {
                let new = update(
                    load(g + i, n), load(w + i, n), load(m + i, n), load(v + i, n), load(average + i, n))
                store(new.0, w + i, n)
                store(new.1, m + i, n)
                store(new.2, v + i, n)
                store(new.3, average + i, n)
            }
        }
    }
}

/// x^n by squaring: the same bits everywhere, unlike a mathematical library's `pow`.
func powi(_ x: Double, _ n: Int) -> Double {
    var (result, base, exponent) = (1.0, x, n)
    while exponent > 0 {
        if exponent & 1 == 1 { result *= base }
        base *= base
        exponent >>= 1
    }
    return result
}
