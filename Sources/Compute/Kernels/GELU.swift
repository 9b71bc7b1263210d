/// GELU in its tanh form (Hendrycks & Gimpel, arXiv 1606.08415), forward beside backward.
public enum GELU {
    /// The tanh form has u = c (x + k x^3); the logistic form takes 2u.
    private static let twiceC: Float = 2 * 0.797_884_560_8
    private static let k: Float = 0.044_715

    /// s = 1 / (1 + exp(-2u)), and x^2; of arguments up to 1e6, beyond which x^3 would overflow and s is 0 or 1.
    @inline(__always)
    private static func logistic(_ argument: Vector) -> (s: Vector, square: Vector) {
        let x = smaller(argument, Vector(repeating: 1e6))
        let square = x * x
        let u = x * multiplyAdd(square, Vector(repeating: twiceC * k), Vector(repeating: twiceC))
        let one = Vector(repeating: 1)
        return (one / (one + exponentialOf(-u)), square)
    }

    /// Far below zero s is not quite 0, and must not meet an x that makes up for it.
    @inline(__always)
    private static func held(_ x: Vector) -> Vector { larger(x, Vector(repeating: -1e6)) }

    /// 0.5 x (1 + tanh u) = x s
    @inline(__always)
    static func value(_ argument: Vector) -> Vector {
        let x = held(argument)
        return x * logistic(x).s
    }

    /// x s, and its derivative s + x s (1 - s) d(2u)/dx, of one exponential.
    @inline(__always)
    static func valueAndDerivative(_ argument: Vector) -> (value: Vector, derivative: Vector) {
        let x = held(argument)
        let (s, square) = logistic(x)
        let value = x * s
        let slope = multiplyAdd(square, Vector(repeating: 3 * twiceC * k), Vector(repeating: twiceC))
        return (value, multiplyAdd(value * (Vector(repeating: 1) - s), slope, s))
    }

    /// activated [rows, N] = gelu(hidden), hidden = product + addend + bias, kept where it will be asked for.
    ///
    /// - Parameters:
    ///   - product: float32; `activated` may be the same.
    ///   - addend: float32 [rows, N].
    ///   - bias: [N].
    public static func forward(
        _ product: Matrix, addend: Matrix? = nil, bias: UnsafePointer<Float>? = nil, hidden: Matrix?,
        activated: Matrix, rows: Int
    ) {
        switch activated.element {
        case .float32: forward(StoredFloat32.self, product, addend, bias, hidden, activated, rows)
        case .bfloat16: forward(StoredBFloat16.self, product, addend, bias, hidden, activated, rows)
        }
    }

    private static func forward<E: StoredElement>(
        _: E.Type, _ product: Matrix, _ addend: Matrix?, _ bias: UnsafePointer<Float>?, _ hidden: Matrix?,
        _ activated: Matrix, _ rows: Int
    ) {
        let keeping = KeptRows<E>(hidden)
        for row in 0..<rows {
            let (x, y) = (product.floats(row), activated.row(row))
            let (added, kept) = (addend?.floats(row), keeping[row])
            for (i, n) in vectors(product.columns) {
                var v = load(x + i, n)
                if let added { v += load(added + i, n) }
                if let bias { v += load(bias + i, n) }
                if let kept { keeping.store(v, kept, i, n) }
                E.store(value(v), y, i, n)
            }
        }
        keeping.finish()
    }

    /// The backward pass of the same: gradient [rows, N] = product * gelu'(hidden), and gelu(hidden) once more.
    ///
    /// - Parameters:
    ///   - product: float32, the gradient of `activated`; `gradient` may be the same.
    ///   - activated, gradient: overwritten; `activated` may lie in vectors.
    ///   - columnSums: [N], the gradient's column sums are added to it.
    ///   - sum: float32 [rows, N], the gradient is added to it.
    public static func backward(
        _ product: Matrix, hidden: Matrix, activated: Matrix, gradient: Matrix,
        columnSums: UnsafeMutablePointer<Float>? = nil, sum: Matrix? = nil, rows: Int
    ) {
        switch hidden.element {
        case .float32: backward(StoredFloat32.self, product, hidden, activated, gradient, columnSums, sum, rows)
        case .bfloat16: backward(StoredBFloat16.self, product, hidden, activated, gradient, columnSums, sum, rows)
        }
    }

    private static func backward<E: StoredElement>(
        _: E.Type, _ product: Matrix, _ hidden: Matrix, _ activated: Matrix, _ gradient: Matrix,
        _ columnSums: UnsafeMutablePointer<Float>?, _ sum: Matrix?, _ rows: Int
    ) {
        for row in 0..<rows {
            let (dy, x) = (product.floats(row), hidden.row(row))
            let (y, dx, total) = (activated.row(row), gradient.row(row), sum?.floats(row))
            for (i, n) in vectors(product.columns) {
                let (value, derivative) = valueAndDerivative(E.load(x, i, n))
                let d = load(dy + i, n) * derivative
                activated.store(E.self, value, y, i, n)
                E.store(d, dx, i, n)
                if let columnSums { store(load(columnSums + i, n) + d, columnSums + i, n) }
                if let total { store(load(total + i, n) + d, total + i, n) }
            }
        }
        activated.finishStores()
    }
}
