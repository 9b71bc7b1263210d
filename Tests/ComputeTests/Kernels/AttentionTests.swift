import Compute
import TestSupport
import Testing

@Suite("Attention")
struct AttentionTests {
    /// Up to 128 tokens several heads may be one task, of which the last has fewer; above, queries come in blocks, of which
    /// the last is short, and keys' gradients are added up over them.
    static let sweep = [
        AttentionCase(1, 1, 1, 5), .init(3, 1, 2, 24), .init(2, 4, 3, 8), .init(3, 9, 5, 5), .init(14, 16, 5, 8),
        .init(3, 64, 3, 24), .init(1, 64, 1, 72), .init(2, 100, 2, 5), .init(1, 128, 2, 8), .init(2, 129, 1, 24),
        .init(1, 256, 2, 72), .init(1, 300, 1, 5), .init(2, 300, 1, 8),
    ]

    @Test("forward and backward", arguments: sweep, Arithmetic.float32)
    func float32(_ c: AttentionCase, _ arithmetic: Arithmetic) throws {
        let (qkv, gradient) = (c.qkv(.float32), c.gradient(.float32))
        let expected = c.naive(qkv, gradient)
        let actual = c.run(try arithmetic.engine(), qkv, gradient)
        expectClose(actual.output, expected.output, within: 3e-6, "output")
        expectClose(actual.logSums, expected.logSums, within: 1e-6, "logarithms of sums")
        // One token attends to itself alone: queries and keys have no gradient, up to rounding.
        expectClose(actual.qkvGradient, expected.qkvGradient, within: 1e-5, "gradient")
    }

    /// Probabilities and what is stored are rounded, to 2^-9 of themselves.
    @Test("forward and backward in bfloat16", arguments: sweep, Arithmetic.bfloat16)
    func bfloat16(_ c: AttentionCase, _ arithmetic: Arithmetic) throws {
        let (qkv, gradient) = (c.qkv(.bfloat16), c.gradient(.bfloat16))
        let expected = c.naive(qkv, gradient)
        let actual = c.run(try arithmetic.engine(), qkv, gradient)
        expectClose(actual.output, expected.output, within: 4e-3, "output")
        expectClose(actual.logSums, expected.logSums, within: 1e-6, "logarithms of sums")
        expectClose(actual.qkvGradient, expected.qkvGradient, within: 8e-3, "gradient")
    }

    @Test("inference gives the bits of training", arguments: [sweep[4], sweep[5], sweep[9]], Arithmetic.float32)
    func inference(_ c: AttentionCase, _ arithmetic: Arithmetic) throws {
        let (qkv, gradient) = (c.qkv(.float32), c.gradient(.float32))
        let engine = try arithmetic.engine()
        expectSameBits(
            c.run(engine, qkv, gradient, training: false).output, c.run(engine, qkv, gradient).output, "output")
    }

    @Test("large scores neither overflow nor give NaN", arguments: Arithmetic.float32)
    func largeScores(_ arithmetic: Arithmetic) throws {
        let c = AttentionCase(1, 20, 1, 16)
        let (qkv, gradient) = (c.qkv(.float32, scale: 300), c.gradient(.float32))
        let actual = c.run(try arithmetic.engine(threads: 1), qkv, gradient)
        expectClose(actual.output, c.naive(qkv, gradient).output, within: 1e-3, "output")
        #expect(actual.qkvGradient.allSatisfy { $0.isFinite })
    }

    /// Each sample by itself, and among others, whose heads share its tasks.
    private func expectIndependent(_ c: AttentionCase, _ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine()
        let (qkv, gradient) = (c.qkv(arithmetic.element), c.gradient(arithmetic.element))
        let together = c.run(engine, qkv, gradient)
        let one = AttentionCase(1, c.tokens, c.heads, c.headWidth)
        for sample in 0..<c.samples {
            func own(_ values: [Float], _ parts: Int) -> [Float] {
                Array(values[parts * sample * c.rowValues..<parts * (sample + 1) * c.rowValues])
            }
            let alone = one.run(engine, own(qkv, 3), own(gradient, 1))
            expectSameBits(alone.output, own(together.output, 1), "sample \(sample)")
            expectSameBits(alone.qkvGradient, own(together.qkvGradient, 3), "gradient of sample \(sample)")
        }
    }

    static let batches = [AttentionCase(5, 16, 4, 24), .init(5, 64, 1, 18), .init(4, 9, 3, 5), .init(2, 150, 2, 18)]

    @Test("a sample's bits do not depend on its batch", arguments: batches, Arithmetic.float32)
    func samples(_ c: AttentionCase, _ arithmetic: Arithmetic) throws { try expectIndependent(c, arithmetic) }

    @Test("nor in bfloat16", arguments: batches, Arithmetic.bfloat16)
    func samplesOfBFloat16(_ c: AttentionCase, _ arithmetic: Arithmetic) throws { try expectIndependent(c, arithmetic) }

    /// How many heads are one task follows from the number of threads: all of them, some, one.
    private func expectSameOnThreads(_ c: AttentionCase, _ arithmetic: Arithmetic) throws {
        let (qkv, gradient) = (c.qkv(arithmetic.element), c.gradient(arithmetic.element))
        let one = c.run(try arithmetic.engine(threads: 1), qkv, gradient)
        for threads in [3, 7, 40] {
            let many = c.run(try arithmetic.engine(threads: threads), qkv, gradient)
            expectSameBits(many.output, one.output, "output on \(threads) threads")
            expectSameBits(many.logSums, one.logSums, "logarithms of sums on \(threads) threads")
            expectSameBits(many.qkvGradient, one.qkvGradient, "gradient on \(threads) threads")
        }
    }

    @Test("bits do not depend on the number of threads", arguments: batches, Arithmetic.float32)
    func threads(_ c: AttentionCase, _ arithmetic: Arithmetic) throws { try expectSameOnThreads(c, arithmetic) }

    @Test("nor in bfloat16, on threads", arguments: batches, Arithmetic.bfloat16)
    func threadsOfBFloat16(_ c: AttentionCase, _ arithmetic: Arithmetic) throws {
        try expectSameOnThreads(c, arithmetic)
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
}
