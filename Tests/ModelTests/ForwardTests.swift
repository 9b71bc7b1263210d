import Compute
import Model
import TestSupport
import Testing

@Suite("Forward against the naive network")
struct ForwardTests {
    @Test("output and solution", arguments: Variant.all + Variant.wide)
    func output(_ variant: Variant) throws {
        let batch = Batch(variant, samples: Variant.samples)
        let table = ParameterTable(variant.configuration)
        let naive = NaiveNetwork(table, Harness.weights(table))
        let expected = batch.naive.map { naive.forward($0, iterations: variant.iterations.total) }
        for arithmetic in Arithmetic.float32 {
            let actual = try Harness(variant, arithmetic).forward(batch, variant.iterations)
            expectClose(actual.output, expected.flatMap(\.output), within: 1e-5, "output, \(arithmetic)")
            if variant.configuration.fixedPoint {
                let solution = expected.flatMap { $0.states.last ?? [] }.flatMap { $0 }
                expectClose(actual.solution, solution, within: 1e-5, "z, \(arithmetic)")
            }
            // The comparison would see one sample's label, or one weight, being off.
            #expect(relativeError(actual.output.map { $0 * 1.0001 }, expected.flatMap(\.output)) > 5e-5)
        }
    }

    /// Products multiply what is rounded to 2^-9 of itself, and errors of layers add up.
    @Test("bfloat16 is near float32", arguments: Variant.all + Variant.wide, Arithmetic.bfloat16)
    func bfloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        let batch = Batch(variant, samples: Variant.samples)
        let exact = try Harness(variant).forward(batch, variant.iterations)
        let actual = try Harness(variant, arithmetic).forward(batch, variant.iterations)
        expectClose(actual.output, exact.output.doubles, within: 2e-2, "output")
        if variant.configuration.fixedPoint {
            expectClose(actual.solution, exact.solution.doubles, within: 2e-2, "solution")
        }
        #expect(relativeError(actual.output, exact.output.doubles) > 1e-4, "it is no float32")
    }

    @Test("a given start replaces the embedded input", arguments: Variant.all.filter { $0.configuration.fixedPoint })
    func initial(_ variant: Variant) throws {
        let c = variant.configuration
        let batch = Batch(variant, samples: Variant.samples)
        let start = randomFloats(Variant.samples * c.tokens * c.width, seed: 5)
        for use in [NetworkUse.inference, .training(activations: .keep, iterations: variant.iterations.withGradient)] {
            let harness = try Harness(variant, use: use)
            let actual = harness.forward(batch, variant.iterations, initial: start)
            let naive = NaiveNetwork(harness.network.table, Harness.weights(harness.network.table))
            let expected = batch.naive.enumerated().flatMap { i, sample in
                let rows = (0..<c.tokens).map { t in
                    let first = (i * c.tokens + t) * c.width
                    return start[first..<first + c.width].map(Double.init)
                }
                return naive.forward(sample, iterations: variant.iterations.total, initial: rows).output
            }
            expectClose(actual.output, expected, within: 1e-5, "output")
        }
    }

    @Test("a solve that goes on from a solution equals one long solve, bit for bit")
    func resumedSolve() throws {
        for variant in [Variant.fpdm] + Variant.wide.filter({ $0.configuration.fixedPoint }) {
            let harness = try Harness(variant, use: .inference)
            let batch = Batch(variant, samples: Variant.samples)
            let long = harness.forward(batch, Iterations(withoutGradient: 5, withGradient: 0))
            let first = harness.forward(batch, Iterations(withoutGradient: 2, withGradient: 0))
            let rest = harness.forward(
                batch, Iterations(withoutGradient: 3, withGradient: 0), initial: first.solution)
            expectSameBits(rest.output, long.output, "output")
            expectSameBits(rest.solution, long.solution, "solution")
            #expect(first.solution != long.solution)
        }
    }

    @Test("dropping a label equals the null class")
    func nullClass() throws {
        let harness = try Harness(.fpdm)
        var dropped = Batch(.fpdm, samples: 3)
        var null = dropped
        dropped.drop = [false, true, false]
        null.classes[1] = 3
        expectSameBits(
            harness.forward(dropped, Variant.fpdm.iterations).output,
            harness.forward(null, Variant.fpdm.iterations).output, "output")
    }

    @Test("a fresh network's output is zero")
    func fresh() throws {
        let table = ParameterTable(Variant.fpdm.configuration)
        let (arena, weights) = Arena.build("weights") { $0.take(table.flatCount) }
        try withExtendedLifetime(arena) {
            table.initialize(weights, seed: 1, purpose: 1)
            let harness = try Harness(.fpdm, weights: weights.array)
            let outcome = harness.forward(Batch(.fpdm, samples: 2), Variant.fpdm.iterations)
            #expect(outcome.output.allSatisfy { $0 == 0 })
            #expect(outcome.solution.contains { $0 != 0 })
        }
    }
}
