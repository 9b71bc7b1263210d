import Compute
import Model
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

    @Test("a sample alone, among others, and elsewhere among them", arguments: variants)
    func batches(_ variant: Variant) throws {
        let c = variant.configuration
        for use in [NetworkUse.inference, .training(activations: .keep, iterations: variant.iterations.withGradient)] {
            let harness = try Harness(variant, capacity: 18, use: use)
            let batch = Batch(variant, samples: 18)
            let all = harness.forward(batch, variant.iterations)
            for range in [0..<1, 1..<2, 17..<18, 0..<5, 3..<17] {
                let some = harness.forward(batch.part(range), variant.iterations)
                let values = range.lowerBound * c.outputValues..<range.upperBound * c.outputValues
                expectSameBits(some.output, Array(all.output[values]), "output of \(range)")
                guard c.fixedPoint else { continue }
                let states = range.lowerBound * c.tokens * c.width..<range.upperBound * c.tokens * c.width
                expectSameBits(some.solution, Array(all.solution[states]), "solution of \(range)")
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
