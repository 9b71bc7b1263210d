import Compute
import TestSupport
import Testing

struct AttentionShape: Sendable, CustomTestStringConvertible {
    var samples: Int
    var tokens: Int
    var heads: Int
    var headWidth: Int

    var width: Int { heads * headWidth }
    var attention: Attention { Attention(tokens: tokens, heads: heads, headWidth: headWidth) }
    var testDescription: String { "\(samples) x \(tokens) tokens, \(heads) heads of \(headWidth)" }

    /// Above 128 tokens several blocks of queries occur, the last one short; 300 makes three.
    static let sweep = [
        (1, 1, 1, 4), (3, 3, 2, 20), (2, 16, 3, 12), (1, 17, 4, 9), (2, 64, 6, 64), (2, 150, 2, 18), (1, 129, 1, 7),
        (1, 300, 2, 72), (1, 256, 1, 64),
    ].map { AttentionShape(samples: $0.0, tokens: $0.1, heads: $0.2, headWidth: $0.3) }
}

@Suite("Attention")
struct AttentionTests {
    @Test("forward and backward", arguments: AttentionShape.sweep)
    func sweep(_ s: AttentionShape) throws {
        let engine = try Engine(threads: 2)
        // Scores of some size, so that softmax is not flat.
        let qkv = randomFloats(s.samples * s.tokens * 3 * s.width, seed: 1, scale: 2)
        let gradient = randomFloats(s.samples * s.tokens * s.width, seed: 2)
        var output: [Double] = []
        var qkvGradient: [Double] = []
        for sample in 0..<s.samples {
            let part = Array(qkv.doubles[sample * s.tokens * 3 * s.width..<(sample + 1) * s.tokens * 3 * s.width])
            let g = Array(gradient.doubles[sample * s.tokens * s.width..<(sample + 1) * s.tokens * s.width])
            output += Naive.attention(part, tokens: s.tokens, heads: s.heads, headWidth: s.headWidth)
            qkvGradient += Naive.attentionBackward(
                part, gradient: g, tokens: s.tokens, heads: s.heads, headWidth: s.headWidth)
        }
        let actual = run(s, engine, qkv, gradient)
        expectClose(actual.output, output, within: 3e-6, "output")
        // One token attends to itself alone: queries and keys have no gradient, up to rounding.
        expectClose(actual.qkvGradient, qkvGradient, within: 1e-5, "gradient")
    }

    @Test("large scores neither overflow nor give NaN")
    func largeScores() throws {
        let s = AttentionShape(samples: 1, tokens: 20, heads: 1, headWidth: 16)
        let qkv = randomFloats(s.tokens * 3 * s.width, seed: 1, scale: 300)
        let actual = run(s, try Engine(threads: 1), qkv, randomFloats(s.tokens * s.width, seed: 2))
        expectClose(
            actual.output, Naive.attention(qkv.doubles, tokens: s.tokens, heads: s.heads, headWidth: s.headWidth),
            within: 1e-3, "output")
        #expect(actual.qkvGradient.allSatisfy { $0.isFinite })
    }

    @Test("a sample's bits do not depend on its batch", arguments: [(16, 4, 24), (150, 2, 18)])
    func samplesAreIndependent(_ tokens: Int, _ heads: Int, _ headWidth: Int) throws {
        let engine = try Engine(threads: 2)
        let all = AttentionShape(samples: 5, tokens: tokens, heads: heads, headWidth: headWidth)
        let one = AttentionShape(samples: 1, tokens: tokens, heads: heads, headWidth: headWidth)
        let floats = tokens * all.width
        let qkv = randomFloats(5 * 3 * floats, seed: 1)
        let gradient = randomFloats(5 * floats, seed: 2)
        let together = run(all, engine, qkv, gradient)
        for sample in 0..<5 {
            let alone = run(
                one, engine, Array(qkv[sample * 3 * floats..<(sample + 1) * 3 * floats]),
                Array(gradient[sample * floats..<(sample + 1) * floats]))
            expectSameBits(
                alone.output, Array(together.output[sample * floats..<(sample + 1) * floats]), "sample \(sample)")
            expectSameBits(
                alone.qkvGradient, Array(together.qkvGradient[sample * 3 * floats..<(sample + 1) * 3 * floats]),
                "gradient of sample \(sample)")
        }
    }

    @Test("the naive gradient agrees with finite differences")
    func naive() {
        let qkv = randomFloats(5 * 3 * 6, seed: 1).doubles
        let g = randomFloats(5 * 6, seed: 2).doubles
        let expected = finiteDifferences(at: qkv) {
            dot(g, Naive.attention($0, tokens: 5, heads: 2, headWidth: 3))
        }
        let actual = Naive.attentionBackward(qkv, gradient: g, tokens: 5, heads: 2, headWidth: 3)
        expectClose(actual.map { Float($0) }, expected, within: 1e-6, "gradient")
    }

    private func run(
        _ s: AttentionShape, _ engine: Engine, _ qkv: [Float], _ gradient: [Float]
    ) -> (output: [Float], qkvGradient: [Float]) {
        withWorkspace { memory in
            let input = memory.buffer(qkv)
            let output = memory.empty(s.samples * s.tokens * s.width)
            let qkvGradient = memory.empty(qkv.count)
            let scratch = memory.empty(s.attention.scratchPerThread * engine.pool.threadCount)
            s.attention.forward(engine, qkv: input, output: output, scratch: scratch, samples: s.samples)
            s.attention.backward(
                engine, qkv: input, outputGradient: memory.buffer(gradient), qkvGradient: qkvGradient,
                scratch: scratch, samples: s.samples)
            return (output.array, qkvGradient.array)
        }
    }
}
