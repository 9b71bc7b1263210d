import Glibc
import TestSupport

/// Each kernel again, in double and in the plainest form: what the fast ones are measured by.
enum Naive {
    /// C [m, n] = op(A) op(B), where A is stored [m, k] (transposed: [k, m]) and B [k, n] (transposed: [n, k]).
    static func multiply(
        _ a: [Double], _ b: [Double], _ m: Int, _ n: Int, _ k: Int, transposeA: Bool = false, transposeB: Bool = false
    ) -> [Double] {
        // One of both is laid out anew so that the innermost loop runs along memory.
        let rows = transposeA ? transpose(a, k, m) : a
        let columns = transposeB ? b : transpose(b, k, n)
        var c = [Double](repeating: 0, count: m * n)
        for i in 0..<m {
            for j in 0..<n {
                var sum = 0.0
                for l in 0..<k { sum += rows[i * k + l] * columns[j * k + l] }
                c[i * n + j] = sum
            }
        }
        return c
    }

    /// [columns, rows] of [rows, columns].
    static func transpose(_ a: [Double], _ rows: Int, _ columns: Int) -> [Double] {
        var result = [Double](repeating: 0, count: a.count)
        for r in 0..<rows { for c in 0..<columns { result[c * rows + r] = a[r * columns + c] } }
        return result
    }

    static func gelu(_ x: Double) -> Double {
        0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    static func geluSlope(_ x: Double) -> Double {
        let c = (2 / Double.pi).squareRoot()
        let t = tanh(c * (x + 0.044715 * x * x * x))
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x)
    }

    static func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

    static func siluSlope(_ x: Double) -> Double {
        let s = 1 / (1 + exp(-x))
        return s + x * s * (1 - s)
    }

    /// One row's norm, and its reciprocal standard deviation.
    static func norm(_ x: [Double]) -> (values: [Double], reciprocal: Double) {
        let mean = x.reduce(0, +) / Double(x.count)
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
        let reciprocal = 1 / (variance + 1e-6).squareRoot()
        return (x.map { ($0 - mean) * reciprocal }, reciprocal)
    }

    static func modulatedNorm(_ x: [Double], shift: [Double], scale: [Double]) -> [Double] {
        let normal = norm(x).values
        return x.indices.map { normal[$0] * (1 + scale[$0]) + shift[$0] }
    }

    /// Gradients of one row's input, shift and scale.
    static func modulatedNormBackward(
        _ x: [Double], scale: [Double], gradient: [Double]
    ) -> (input: [Double], shift: [Double], scale: [Double]) {
        let (normal, reciprocal) = norm(x)
        let scaled = x.indices.map { gradient[$0] * (1 + scale[$0]) }
        let mean = scaled.reduce(0, +) / Double(x.count)
        let product = dot(scaled, normal) / Double(x.count)
        return (
            x.indices.map { (scaled[$0] - mean - normal[$0] * product) * reciprocal }, gradient,
            x.indices.map { gradient[$0] * normal[$0] }
        )
    }

    /// output [T, D] of one sample from qkv [T, 3 D].
    static func attention(_ qkv: [Double], tokens: Int, heads: Int, headWidth: Int) -> [Double] {
        let width = heads * headWidth
        var output = [Double](repeating: 0, count: tokens * width)
        for head in 0..<heads {
            let (q, k, v) = parts(qkv, tokens, heads, headWidth, head)
            let p = probabilities(q, k, tokens, headWidth)
            let o = multiply(p, v, tokens, headWidth, tokens)
            for t in 0..<tokens {
                for d in 0..<headWidth { output[t * width + head * headWidth + d] = o[t * headWidth + d] }
            }
        }
        return output
    }

    /// log(sum of exp(score)) of each query, [H, T].
    static func logSums(_ qkv: [Double], tokens: Int, heads: Int, headWidth: Int) -> [Double] {
        (0..<heads).flatMap { head in
            let (q, k, _) = parts(qkv, tokens, heads, headWidth, head)
            let scores = multiply(q, k, tokens, tokens, headWidth, transposeB: true)
            return (0..<tokens).map { t in
                let row = scores[t * tokens..<(t + 1) * tokens].map { $0 / Double(headWidth).squareRoot() }
                let maximum = row.max() ?? 0
                return maximum + log(row.reduce(0) { $0 + exp($1 - maximum) })
            }
        }
    }

    /// The gradient of qkv [T, 3 D] from that of the output [T, D].
    static func attentionBackward(
        _ qkv: [Double], gradient: [Double], tokens: Int, heads: Int, headWidth: Int
    ) -> [Double] {
        let width = heads * headWidth
        let scale = 1 / Double(headWidth).squareRoot()
        var result = [Double](repeating: 0, count: tokens * 3 * width)
        for head in 0..<heads {
            let (q, k, v) = parts(qkv, tokens, heads, headWidth, head)
            let g = column(gradient, tokens, width, head * headWidth, headWidth)
            let p = probabilities(q, k, tokens, headWidth)
            var s = multiply(g, v, tokens, tokens, headWidth, transposeB: true)
            for i in 0..<tokens {
                var sum = 0.0
                for j in i * tokens..<(i + 1) * tokens { sum += p[j] * s[j] }
                for j in i * tokens..<(i + 1) * tokens { s[j] = p[j] * (s[j] - sum) * scale }
            }
            let gradients = [
                multiply(s, k, tokens, headWidth, tokens),
                multiply(s, q, tokens, headWidth, tokens, transposeA: true),
                multiply(p, g, tokens, headWidth, tokens, transposeA: true),
            ]
            for (part, values) in gradients.enumerated() {
                for t in 0..<tokens {
                    let first = (3 * t + part) * width + head * headWidth
                    for d in 0..<headWidth {
                        result[first + d] = values[t * headWidth + d]
                    }
                }
            }
        }
        return result
    }

    private static func column(
        _ a: [Double], _ rows: Int, _ stride: Int, _ first: Int, _ count: Int
    ) -> [Double] {
        (0..<rows).flatMap { Array(a[$0 * stride + first..<$0 * stride + first + count]) }
    }

    private static func parts(
        _ qkv: [Double], _ tokens: Int, _ heads: Int, _ headWidth: Int, _ head: Int
    ) -> ([Double], [Double], [Double]) {
        let width = heads * headWidth
        func part(_ i: Int) -> [Double] { column(qkv, tokens, 3 * width, i * width + head * headWidth, headWidth) }
        return (part(0), part(1), part(2))
    }

    private static func probabilities(_ q: [Double], _ k: [Double], _ tokens: Int, _ headWidth: Int) -> [Double] {
        var p = multiply(q, k, tokens, tokens, headWidth, transposeB: true)
        for i in 0..<tokens {
            let row = i * tokens..<(i + 1) * tokens
            let scores = p[row].map { $0 / Double(headWidth).squareRoot() }
            let maximum = scores.max() ?? 0
            let powers = scores.map { exp($0 - maximum) }
            let sum = powers.reduce(0, +)
            p.replaceSubrange(row, with: powers.map { $0 / sum })
        }
        return p
    }
}
