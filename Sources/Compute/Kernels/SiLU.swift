/// x / (1 + exp(-x)), forward beside backward; for conditioning vectors, so on one thread.
public enum SiLU {
    @inline(__always)
    private static func logistic(_ x: Vector) -> Vector {
        Vector(repeating: 1) / (Vector(repeating: 1) + exponentialOf(-x))
    }

    @inline(__always)
    private static func derivative(_ x: Vector) -> Vector {
        let s = logistic(x)
        return multiplyAdd(x * s, Vector(repeating: 1) - s, s)
    }

    /// output [count] = silu(input [count]); may be in place.
    public static func forward(_ input: FloatBuffer, into output: FloatBuffer, count: Int) {
        let (x, y) = (input.base, output.base)
        for (i, n) in vectors(count) {
            let v = load(x + i, n)
            store(v * logistic(v), y + i, n)
        }
    }

    /// gradient [count] *= silu'(input [count])
    public static func backward(input: FloatBuffer, gradient: FloatBuffer, count: Int) {
        let (x, g) = (input.base, gradient.base)
        for (i, n) in vectors(count) { store(load(g + i, n) * derivative(load(x + i, n)), g + i, n) }
    }
}
