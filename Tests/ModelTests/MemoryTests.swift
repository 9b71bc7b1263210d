import Compute
import Model
import TestSupport
import Testing

@Suite("Memory of a network")
struct MemoryTests {
    private func bytes(_ variant: Variant, capacity: Int = 3, _ use: NetworkUse) throws -> Int {
        Network.bytes(variant.configuration, capacity: capacity, use: use, engine: try Engine(threads: 2))
    }

    @Test("the plan is what is taken", arguments: Variant.all)
    func plan(_ variant: Variant) throws {
        let m = variant.iterations.withGradient
        for use in [
            NetworkUse.inference, .training(activations: .keep, iterations: m),
            .training(activations: .recompute, iterations: m),
        ] {
            #expect(try Harness(variant, use: use).network.bytes == bytes(variant, use))
        }
    }

    @Test("iterations without a gradient take none")
    func freeIterations() throws {
        let harness = try Harness(.fpdm)
        let before = harness.network.bytes
        let batch = Batch(.fpdm, samples: 3)
        let outcome = harness.forward(batch, Iterations(withoutGradient: 50, withGradient: 2))
        #expect(harness.network.bytes == before)
        #expect(outcome.output.allSatisfy { $0.isFinite })
    }

    @Test("with recomputation an iteration with a gradient takes one state", arguments: [1, 3, 20])
    func recompute(_ capacity: Int) throws {
        for variant in [Variant.fpdm] + Variant.wide.filter({ $0.configuration.fixedPoint }) {
            let c = variant.configuration
            let state = capacity * c.tokens * c.width * 4
            for m in 1..<6 {
                func grown(_ activations: ActivationMode) throws -> Int {
                    try bytes(variant, capacity: capacity, .training(activations: activations, iterations: m + 1))
                        - bytes(variant, capacity: capacity, .training(activations: activations, iterations: m))
                }
                #expect(try grown(.recompute) == state)
                #expect(try grown(.keep) > 10 * state)
            }
        }
    }

    @Test("inference takes less than training, recomputation less than keeping", arguments: Variant.all)
    func order(_ variant: Variant) throws {
        let m = variant.iterations.withGradient
        let recompute = try bytes(variant, .training(activations: .recompute, iterations: m))
        let keep = try bytes(variant, .training(activations: .keep, iterations: m))
        #expect(try bytes(variant, .inference) < recompute)
        #expect(recompute <= keep)
    }

    @Test("a DiT's memory does not depend on the iterations asked for")
    func transformer() throws {
        #expect(
            try bytes(.dit, .training(activations: .keep, iterations: 0))
                == bytes(.dit, .training(activations: .keep, iterations: 9)))
    }
}
