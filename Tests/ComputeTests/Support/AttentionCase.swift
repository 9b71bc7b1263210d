import Compute
import TestSupport
import Testing

/// One shape of attention, with values drawn once.
struct AttentionCase: Sendable, CustomTestStringConvertible {
    let samples, tokens, heads, headWidth: Int

    init(_ samples: Int, _ tokens: Int, _ heads: Int, _ headWidth: Int) {
        (self.samples, self.tokens, self.heads, self.headWidth) = (samples, tokens, heads, headWidth)
    }

    var width: Int { heads * headWidth }
    /// Values of a sample in its rows: [T, D].
    var rowValues: Int { tokens * width }
    var testDescription: String { "\(samples) x \(tokens) tokens, \(heads) heads of \(headWidth)" }

    /// Scores of some size, so that softmax is not flat. [S, T, 3 D], rounded as they are kept.
    func qkv(_ element: Element, scale: Float = 2) -> [Float] {
        element.rounded(randomFloats(samples * 3 * rowValues, seed: 1, scale: scale))
    }

    /// Of the output, [S, T, D].
    func gradient(_ element: Element) -> [Float] { element.rounded(randomFloats(samples * rowValues, seed: 2)) }

    struct Result {
        var output, logSums, qkvGradient: [Float]
    }

    /// Rows [S, T, D] of one part of them, of so many columns, by head: [S, H, T, d].
    private func byHead(_ rows: [Float], columns: Int, first: Int) -> [Float] {
        var result: [Float] = []
        for sample in 0..<samples {
            for head in 0..<heads {
                for token in 0..<tokens {
                    let start = (sample * tokens + token) * columns + first + head * headWidth
                    result += rows[start..<start + headWidth]
                }
            }
        }
        return result
    }

    /// Both passes of an engine over [S, T, 3 D] and the gradient [S, T, D].
    func run(_ engine: Engine, _ qkv: [Float], _ gradient: [Float], training: Bool = true) -> Result {
        let element = engine.precision.element
        let (arena, attention) = Arena.build("attention") {
            Attention(
                engine, $0, Heads(tokens: tokens, heads: heads, headWidth: headWidth), samples: samples,
                training: training)
        }
        attention.prepare(samples: samples)
        return withExtendedLifetime(arena) {
            withWorkspace { memory in
                // Parts stand further apart than they need to.
                let apart = samples * rowValues + 5
                let values = (0..<3).flatMap { part in
                    byHead(qkv, columns: 3 * width, first: part * width) + [Float](repeating: .nan, count: 5)
                }
                let pass = Attention.Pass(
                    qkv: memory.matrix(values, columns: values.count, element), partElements: apart,
                    attended: memory.matrix(rows: samples * tokens, columns: width, element),
                    logSums: training ? memory.empty(samples * heads * tokens) : nil, samples: samples)
                engine.pool.parallelFor(attention.tasks(samples: samples)) { task, worker in
                    attention.forward(pass, task: task, worker: worker)
                }
                let rows = samples * tokens
                var result = Result(
                    output: pass.attended.array(rows: rows), logSums: pass.logSums?.array ?? [], qkvGradient: [])
                guard training else { return result }
                let output = byHead(gradient, columns: width, first: 0)
                let outputGradient = memory.matrix(output, columns: headWidth, element)
                let qkvGradient = memory.matrix(rows: rows, columns: 3 * width, element)
                engine.pool.parallelFor(attention.tasks(samples: samples)) { task, worker in
                    attention.backward(
                        pass, gradient: outputGradient, qkvGradient: qkvGradient, task: task, worker: worker)
                }
                result.qkvGradient = qkvGradient.array(rows: rows)
                return result
            }
        }
    }

    /// The same in double.
    func naive(_ qkv: [Float], _ gradient: [Float]) -> (output: [Double], logSums: [Double], qkvGradient: [Double]) {
        var (output, logSums, qkvGradient): ([Double], [Double], [Double]) = ([], [], [])
        for sample in 0..<samples {
            let part = Array(qkv.doubles[3 * sample * rowValues..<3 * (sample + 1) * rowValues])
            let g = Array(gradient.doubles[sample * rowValues..<(sample + 1) * rowValues])
            output += Naive.attention(part, tokens: tokens, heads: heads, headWidth: headWidth)
            logSums += Naive.logSums(part, tokens: tokens, heads: heads, headWidth: headWidth)
            qkvGradient += Naive.attentionBackward(
                part, gradient: g, tokens: tokens, heads: heads, headWidth: headWidth)
        }
        return (output, logSums, qkvGradient)
    }
}
