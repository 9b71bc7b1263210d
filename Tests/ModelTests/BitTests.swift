import Compute
import Model
import TestSupport
import Testing

/// Properties of bits, which hold for each of OpenBLAS's kernels: run with `OPENBLAS_CORETYPE=Haswell` too.
@Suite("The same bits, however it is run")
struct BitTests {
    static let variants = [Variant.dit, .fpdm] + Variant.wide

    @Test("keeping and recomputing activations", arguments: Variant.all + Variant.wide)
    func activations(_ variant: Variant) throws {
        let batch = Batch(variant, samples: Variant.samples)
        let m = variant.iterations.withGradient
        let keep = try Harness(variant, use: .training(activations: .keep, iterations: m))
        let recompute = try Harness(variant, use: .training(activations: .recompute, iterations: m))
        expectSameBits(recompute.train(variant, batch), keep.train(variant, batch), "a training pass")
    }

    @Test("threads", arguments: variants)
    func threads(_ variant: Variant) throws {
        let batch = Batch(variant, samples: Variant.samples)
        let one = try Harness(variant, threads: 1).train(variant, batch)
        for threads in [2, 3] {
            expectSameBits(try Harness(variant, threads: threads).train(variant, batch), one, "\(threads) threads")
        }
    }

    @Test("room for more samples, used by others before", arguments: variants, ActivationMode.allCases)
    func capacity(_ variant: Variant, _ activations: ActivationMode) throws {
        let use = NetworkUse.training(activations: activations, iterations: variant.iterations.withGradient)
        let batch = Batch(variant, samples: 2)
        let exact = try Harness(variant, capacity: 2, use: use).train(variant, batch)
        let roomy = try Harness(variant, capacity: 19, use: use)
        expectSameBits(roomy.train(variant, batch), exact, "a fresh network")
        _ = roomy.train(variant, Batch(variant, samples: 19, seed: 3))
        expectSameBits(roomy.train(variant, batch), exact, "a used network")
    }

    /// A sample keeps its place, which may matter (`Tiling`); what else is in the batch, and how much, may not.
    @Test("a sample among others, and alone", arguments: variants)
    func batches(_ variant: Variant) throws {
        let c = variant.configuration
        for use in [NetworkUse.inference, .training(activations: .keep, iterations: variant.iterations.withGradient)] {
            let harness = try Harness(variant, capacity: 18, use: use)
            func run(_ batch: Batch, _ sample: Int) -> [Float] {
                let outcome = harness.forward(batch, variant.iterations)
                let (values, states) = (c.outputValues, c.fixedPoint ? c.tokens * c.width : 0)
                return Array(outcome.output[sample * values..<(sample + 1) * values])
                    + outcome.solution[sample * states..<(sample + 1) * states]
            }
            let batch = Batch(variant, samples: 18)
            for sample in [0, 1, 7, 17] {
                let expected = run(batch, sample)
                expectSameBits(run(batch.part(0..<sample + 1), sample), expected, "sample \(sample), the last")
                for (samples, seed) in [(18, 2), (sample + 1, 3)] {
                    var other = Batch(variant, samples: samples, seed: UInt64(seed))
                    other.take(sample, of: batch)
                    expectSameBits(run(other, sample), expected, "sample \(sample) among \(samples) others")
                }
            }
        }
    }

    @Test("inference and training", arguments: Variant.all + Variant.wide)
    func inference(_ variant: Variant) throws {
        let batch = Batch(variant, samples: Variant.samples)
        let training = try Harness(variant).forward(batch, variant.iterations)
        let inference = try Harness(variant, use: .inference).forward(batch, variant.iterations)
        expectSameBits(inference.output, training.output, "output")
        expectSameBits(inference.solution, training.solution, "solution")
        #expect(training.solution.isEmpty == !variant.configuration.fixedPoint)
    }

    @Test("a second run")
    func again() throws {
        let harness = try Harness(.fpdm)
        let batch = Batch(.fpdm, samples: Variant.samples)
        let first = harness.train(.fpdm, batch)
        expectSameBits(harness.train(.fpdm, batch), first, "a training pass")
    }
}
