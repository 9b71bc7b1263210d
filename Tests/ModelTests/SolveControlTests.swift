import Compute
import Model
import TestSupport
import Testing

@Suite("Solves that are steered sample by sample")
struct SolveControlTests {
    private static let samples = 9
    /// Iterations of each sample: the first, the last and some between leave early, two at once.
    private static let most = [2, 6, 1, 4, 6, 4, 3, 5, 1]
    static let variants = [Variant.fpdm] + Variant.wide.filter { $0.configuration.fixedPoint }

    /// Output and solution, by sample.
    private func parts(_ outcome: Harness.Outcome, _ c: ModelConfiguration) -> [[Float]] {
        let states = c.tokens * c.width
        return (0..<outcome.solution.count / states).map { sample in
            Array(outcome.output[sample * c.outputValues..<(sample + 1) * c.outputValues])
                + outcome.solution[sample * states..<(sample + 1) * states]
        }
    }

    /// Every sample at its end has the bits of a whole batch that makes as many iterations.
    private func expectWholeBatch(_ variant: Variant, _ arithmetic: Arithmetic, starts: Bool) throws {
        let c = variant.configuration
        let harness = try Harness(variant, arithmetic, capacity: Self.samples, use: .inference)
        let control = SolveControl(c, samples: Self.samples, engine: try arithmetic.engine())
        let batch = Batch(variant, samples: Self.samples)
        let initial = starts ? randomFloats(Self.samples * c.tokens * c.width, seed: 9) : nil
        let whole = Set(Self.most).map { count in
            let iterations = Iterations(withoutGradient: count, withGradient: 0)
            return (count, parts(harness.forward(batch, iterations, initial: initial), c))
        }
        let expected = Dictionary(uniqueKeysWithValues: whole)
        control.begin(tolerance: 0, most: Self.most)
        let steered = parts(
            harness.forward(
                batch, Iterations(withoutGradient: 6, withGradient: 0), initial: initial, control: control), c)
        for (sample, count) in Self.most.enumerated() {
            expectSameBits(steered[sample], expected[count]?[sample] ?? [], "sample \(sample) of \(count) iterations")
        }
        #expect(control.used == Self.most)
        // Who is at its end costs nothing more, where it can leave.
        let leaves = try arithmetic.engine().backend.hasIndependentRows
        #expect(control.computed == (leaves ? Self.most.reduce(0, +) : 6 * Self.samples))
    }

    @Test("samples at their end leave, and have the bits of a batch that stays whole", arguments: variants)
    func leaving(_ variant: Variant) throws {
        try expectWholeBatch(variant, .oneDNN, starts: false)
        try expectWholeBatch(variant, .oneDNN, starts: true)
    }

    @Test("with OpenBLAS none leaves, and bits are the same", arguments: variants)
    func staying(_ variant: Variant) throws { try expectWholeBatch(variant, .openBLAS, starts: false) }

    @Test("in bfloat16 samples leave, too", arguments: variants, Arithmetic.bfloat16)
    func bfloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectWholeBatch(variant, arithmetic, starts: false)
    }

    @Test("a sample ends where the naive network's residual falls under the tolerance")
    func tolerance() throws {
        // Weaker weights, so that the solve converges.
        let (variant, count, most) = (Variant.fpdm, 5, 30)
        let table = ParameterTable(variant.configuration)
        let weights = Harness.weights(table).map { $0 * 0.85 }
        let harness = try Harness(variant, capacity: count, use: .inference, weights: weights)
        let control = SolveControl(variant.configuration, samples: count, engine: try Arithmetic.oneDNN.engine())
        let batch = Batch(variant, samples: count)
        let naive = NaiveNetwork(table, weights)
        let residuals = batch.naive.map { sample -> [Double] in
            let states = naive.forward(sample, iterations: most).states.map { $0.flatMap(\.self) }
            return zip(states, states.dropFirst()).map { z, next in
                let change = zip(z, next).map { $1 - $0 }
                return (dot(change, change) / dot(z, z)).squareRoot()
            }
        }
        var seen: Set<Int> = []
        for tolerance in [0.3, 0.1, 0.03, 0.01, 0.001] {
            let expected = residuals.map { own in (own.firstIndex { $0 < tolerance } ?? most - 1) + 1 }
            control.begin(tolerance: tolerance, most: [Int](repeating: most, count: count))
            _ = harness.forward(batch, Iterations(withoutGradient: most, withGradient: 0), control: control)
            #expect(control.used == expected, "tolerance \(tolerance)")
            #expect(control.computed == expected.reduce(0, +))
            seen.formUnion(expected)
        }
        #expect(seen.count > 3, "\(seen): the tolerances tell little apart")
    }
}
