import Compute
import Model
import TestSupport
import Testing

/// Properties of bits, which hold for each of the libraries' kernels: run with `OPENBLAS_CORETYPE=Haswell` too.
@Suite("The same bits, however it is run")
struct BitTests {
    static let variants = [Variant.dit, .fpdm] + Variant.wide

    private func use(_ variant: Variant, _ activations: ActivationMode = .keep) -> NetworkUse {
        .training(activations: activations, iterations: variant.iterations.withGradient)
    }

    // MARK: - Keeping and recomputing

    private func expectModesAgree(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        let batch = Batch(variant, samples: Variant.samples)
        let keep = try Harness(variant, arithmetic, use: use(variant))
        let recompute = try Harness(variant, arithmetic, use: use(variant, .recompute))
        expectSameBits(recompute.train(variant, batch), keep.train(variant, batch), "a training pass")
    }

    @Test("keeping and recomputing activations", arguments: Variant.all + Variant.wide, Arithmetic.float32)
    func activations(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectModesAgree(variant, arithmetic)
    }

    @Test("keeping and recomputing in bfloat16", arguments: Variant.all + Variant.wide, Arithmetic.bfloat16)
    func activationsOfBFloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectModesAgree(variant, arithmetic)
    }

    // MARK: - Threads

    private func expectThreadsAgree(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        let batch = Batch(variant, samples: Variant.samples)
        for activations in ActivationMode.allCases {
            func run(_ threads: Int) throws -> [Float] {
                try Harness(variant, arithmetic, threads: threads, use: use(variant, activations))
                    .train(variant, batch)
            }
            let one = try run(1)
            for threads in [2, 3] { expectSameBits(try run(threads), one, "\(threads) threads, \(activations)") }
        }
    }

    @Test("threads", arguments: variants, Arithmetic.float32)
    func threads(_ variant: Variant, _ arithmetic: Arithmetic) throws { try expectThreadsAgree(variant, arithmetic) }

    @Test("threads in bfloat16", arguments: variants, Arithmetic.bfloat16)
    func threadsOfBFloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectThreadsAgree(variant, arithmetic)
    }

    // MARK: - Capacity

    private func expectRoomIsNoMatter(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        for activations in ActivationMode.allCases {
            let batch = Batch(variant, samples: 2)
            let exact = try Harness(variant, arithmetic, capacity: 2, use: use(variant, activations))
                .train(variant, batch)
            let roomy = try Harness(variant, arithmetic, capacity: 19, use: use(variant, activations))
            expectSameBits(roomy.train(variant, batch), exact, "a fresh network, \(activations)")
            _ = roomy.train(variant, Batch(variant, samples: 19, seed: 3))
            expectSameBits(roomy.train(variant, batch), exact, "a used network, \(activations)")
        }
    }

    @Test("room for more samples, used by others before", arguments: variants, Arithmetic.float32)
    func capacity(_ variant: Variant, _ arithmetic: Arithmetic) throws { try expectRoomIsNoMatter(variant, arithmetic) }

    @Test("room for more samples in bfloat16", arguments: variants, Arithmetic.bfloat16)
    func capacityOfBFloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectRoomIsNoMatter(variant, arithmetic)
    }

    // MARK: - Inference

    private func expectInferenceAgrees(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        let batch = Batch(variant, samples: Variant.samples)
        let training = try Harness(variant, arithmetic).forward(batch, variant.iterations)
        for other in [NetworkUse.inference, use(variant, .recompute)] {
            let outcome = try Harness(variant, arithmetic, use: other).forward(batch, variant.iterations)
            expectSameBits(outcome.output, training.output, "output")
            expectSameBits(outcome.solution, training.solution, "solution")
        }
        #expect(training.solution.isEmpty == !variant.configuration.fixedPoint)
    }

    @Test("inference and training", arguments: Variant.all + Variant.wide, Arithmetic.float32)
    func inference(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectInferenceAgrees(variant, arithmetic)
    }

    @Test("inference and training in bfloat16", arguments: Variant.all + Variant.wide, Arithmetic.bfloat16)
    func inferenceOfBFloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        try expectInferenceAgrees(variant, arithmetic)
    }

    // MARK: - Again

    @Test("a second run", arguments: Arithmetic.float32)
    func again(_ arithmetic: Arithmetic) throws {
        let harness = try Harness(.fpdm, arithmetic)
        let batch = Batch(.fpdm, samples: Variant.samples)
        let first = harness.train(.fpdm, batch)
        expectSameBits(harness.train(.fpdm, batch), first, "a training pass")
    }

    @Test("weights are those of the newest load", arguments: Arithmetic.float32)
    func load(_ arithmetic: Arithmetic) throws {
        let harness = try Harness(.fpdm, arithmetic)
        let batch = Batch(.fpdm, samples: Variant.samples)
        let first = harness.train(.fpdm, batch)
        let own = Harness.weights(harness.network.table)
        harness.load(own.map { $0 * 1.5 })
        let other = harness.train(.fpdm, batch)
        #expect(relativeError(other, first.doubles) > 0.01)
        expectSameBits(
            try Harness(.fpdm, arithmetic, weights: own.map { $0 * 1.5 }).train(.fpdm, batch), other, "others")
        harness.load(own)
        expectSameBits(harness.train(.fpdm, batch), first, "the first again")
    }
}
