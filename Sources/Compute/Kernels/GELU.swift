/// GELU in its tanh form (Hendrycks & Gimpel, arXiv 1606.08415), forward beside backward.
public enum GELU {
    /// The tanh form has u = c (x + k x^3); the logistic form takes 2u.
    private static let twiceC: Float = 2 * 0.797_884_560_8
    private static let k: Float = 0.044_715

    /// 0.5 x (1 + tanh u) = x / (1 + exp(-2u))
    @inline(__always)
    static func value(_ x: Vector) -> Vector {
        let u = x * multiplyAdd(x * x, Vector(repeating: twiceC * k), Vector(repeating: twiceC))
        return x / (Vector(repeating: 1) + exponential(-u))
    }

    /// With s = 1 / (1 + exp(-2u)): s + x s (1 - s) d(2u)/dx
    @inline(__always)
    static func derivative(_ x: Vector) -> Vector {
        let square = x * x
        let u = x * multiplyAdd(square, Vector(repeating: twiceC * k), Vector(repeating: twiceC))
        let s = Vector(repeating: 1) / (Vector(repeating: 1) + exponential(-u))
        let slope = multiplyAdd(square, Vector(repeating: 3 * twiceC * k), Vector(repeating: twiceC))
        return multiplyAdd(x * s * (Vector(repeating: 1) - s), slope, s)
    }

    /// output [count] = gelu(input [count]); may be in place.
    public static func forward(_ input: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>, count: Int) {
        forEachVector(count) { i in
            store(value(load(input + i)), output + i)
        } part: { i, n in
            storePart(value(loadPart(input + i, n)), output + i, n)
        }
    }

    /// gradient [count] *= gelu'(input [count])
    public static func backward(
        input: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>, count: Int
    ) {
        forEachVector(count) { i in
            store(load(gradient + i) * derivative(load(input + i)), gradient + i)
        } part: { i, n in
            storePart(loadPart(gradient + i, n) * derivative(loadPart(input + i, n)), gradient + i, n)
        }
    }
}
