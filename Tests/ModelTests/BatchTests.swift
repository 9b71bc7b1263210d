import Compute
import TestSupport
import Testing

@testable import Model

/// What a batch holds, and in how many passes it is taken, changes no bits of what belongs to a sample or is summed over
/// groups.
@Suite("The same bits, however samples are put together")
struct BatchTests {
    // MARK: - Samples

    /// A sample's output and solution at its place in a batch.
    private func outcome(_ harness: Harness, _ variant: Variant, _ batch: Batch, _ sample: Int) -> [Float] {
        let c = variant.configuration
        let all = harness.forward(batch, variant.iterations)
        let (values, states) = (c.outputValues, c.fixedPoint ? c.tokens * c.width : 0)
        return Array(all.output[sample * values..<(sample + 1) * values])
            + all.solution[sample * states..<(sample + 1) * states]
    }

    private func uses(_ variant: Variant) -> [NetworkUse] {
        [.inference, .training(activations: .keep, iterations: variant.iterations.withGradient)]
    }

    /// Whatever shares the batch, how much of it, and wherever the sample stands.
    private func expectIndependentSamples(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        for use in uses(variant) {
            let harness = try Harness(variant, arithmetic, capacity: 18, use: use)
            let batch = Batch(variant, samples: 18)
            for sample in [0, 1, 7, 17] {
                let expected = outcome(harness, variant, batch, sample)
                let alone = batch.part(sample..<sample + 1)
                expectSameBits(outcome(harness, variant, alone, 0), expected, "sample \(sample) alone")
                for (samples, place) in [(18, sample), (sample + 1, sample), (18, 17 - sample), (5, 2), (17, 16)] {
                    var other = Batch(variant, samples: samples, seed: UInt64(2 + samples))
                    other.take(place, of: alone, 0)
                    expectSameBits(
                        outcome(harness, variant, other, place), expected,
                        "sample \(sample) at \(place) among \(samples)")
                }
            }
        }
    }

    @Test("a sample among others, and alone", arguments: BitTests.variants, Arithmetic.independent)
    func samples(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectIndependentSamples(variant, arithmetic)
    }

    @Test("a sample among others in bfloat16", arguments: BitTests.variants, Arithmetic.bfloat16)
    func samplesOfBFloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectIndependentSamples(variant, arithmetic)
    }

    /// OpenBLAS's kernels may see how many rows a product has, and where one stands: those are kept.
    @Test("with OpenBLAS a sample at its place among as many others", arguments: BitTests.variants)
    func samplesOfOpenBLAS(_ variant: Variant) throws {
        for use in uses(variant) {
            let harness = try Harness(variant, .openBLAS, capacity: 18, use: use)
            let batch = Batch(variant, samples: 18)
            for sample in [0, 1, 7, 17] {
                let expected = outcome(harness, variant, batch, sample)
                var other = Batch(variant, samples: 18, seed: 2)
                other.take(sample, of: batch, sample)
                expectSameBits(outcome(harness, variant, other, sample), expected, "sample \(sample)")
            }
        }
    }

    // MARK: - Gradients

    /// Losses' gradients over passes that a batch is cut into, and its outputs.
    private func train(_ variant: Variant, _ harness: Harness, _ batch: Batch, _ passes: [Range<Int>]) -> [Float] {
        harness.clearGradients()
        let values = variant.configuration.outputValues
        let outputGradient = Harness.outputGradient(batch)
        var outputs: [Float] = []
        var gradients: [Float] = []
        for range in passes {
            let part = batch.part(range)
            outputs += harness.forward(part, variant.iterations).output
            gradients = harness.backward(
                part, variant.iterations,
                gradient: Array(outputGradient[range.lowerBound * values..<range.upperBound * values]))
        }
        return outputs + gradients
    }

    /// In one pass, and in several that end where groups of samples end.
    private func expectPassesAgree(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        let group = variant.configuration.cut.groupSamples
        let samples = 2 * group + max(1, group / 2)
        let batch = Batch(variant, samples: samples)
        var kept: [Float] = []
        for activations in [ActivationMode.keep, .recompute] {
            let use = NetworkUse.training(activations: activations, iterations: variant.iterations.withGradient)
            let harness = try Harness(variant, arithmetic, capacity: samples, use: use)
            let whole = train(variant, harness, batch, [0..<samples])
            let small = try Harness(variant, arithmetic, capacity: group, use: use)
            for (network, passes) in [
                (harness, [0..<group, group..<2 * group, 2 * group..<samples]),
                (harness, [0..<2 * group, 2 * group..<samples]), (harness, [0..<group, group..<samples]),
                (small, [0..<group, group..<2 * group, 2 * group..<samples]),
            ] {
                expectSameBits(train(variant, network, batch, passes), whole, "\(activations), passes \(passes)")
            }
            if kept.isEmpty { kept = whole }
            expectSameBits(whole, kept, "\(activations)")
        }
    }

    @Test("gradients in one pass, and in several of whole groups", arguments: Variant.grouped, Arithmetic.float32)
    func passes(_ variant: Variant, _ arithmetic: Arithmetic) throws { try expectPassesAgree(variant, arithmetic) }

    @Test("gradients in several passes in bfloat16", arguments: Variant.grouped, Arithmetic.bfloat16)
    func passesOfBFloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectPassesAgree(variant, arithmetic)
    }

    /// A forward pass has finer panels where there are many threads, and attention fewer heads a task.
    private func expectThreadsAgree(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        let shape = variant.configuration.cut
        var sizes: Set<Int> = []
        for samples in [1, 2, shape.groupSamples + 1] {
            let batch = Batch(variant, samples: samples)
            var expected: [Float] = []
            for threads in [1, 3, 7, 16, 40, 64] {
                let panels = BatchCut.forwardPanels(shape, samples: samples, threads: threads)
                sizes.formUnion(panels.map { ($0.rows + 15) / 16 })
                for activations in [ActivationMode.keep, .recompute] {
                    let use = NetworkUse.training(
                        activations: activations, iterations: variant.iterations.withGradient)
                    let harness = try Harness(variant, arithmetic, threads: threads, capacity: samples, use: use)
                    let actual = train(variant, harness, batch, [0..<samples])
                    if expected.isEmpty { expected = actual }
                    expectSameBits(actual, expected, "\(samples) samples, \(threads) threads, \(activations)")
                }
            }
        }
        // Else this would not have seen all of them.
        #expect(sizes.isSuperset(of: [1, 2]) && (sizes.max() ?? 0) > 2)
    }

    @Test("on any number of threads", arguments: Variant.grouped, Arithmetic.float32)
    func threads(_ variant: Variant, _ arithmetic: Arithmetic) throws { try expectThreadsAgree(variant, arithmetic) }

    @Test("on any number of threads in bfloat16", arguments: Variant.grouped, Arithmetic.bfloat16)
    func threadsOfBFloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectThreadsAgree(variant, arithmetic)
    }

    /// Else the tests above would not see how gradients are added up.
    @Test("passes that end elsewhere add up in another order")
    func elsewhere() throws {
        let variant = Variant.fpdm144
        let batch = Batch(variant, samples: 16)
        let harness = try Harness(variant, capacity: 16)
        let whole = train(variant, harness, batch, [0..<16])
        let cut = train(variant, harness, batch, [0..<5, 5..<16])
        #expect(cut != whole)
        expectClose(cut, whole.doubles, within: 1e-5, "gradients")
    }
}
