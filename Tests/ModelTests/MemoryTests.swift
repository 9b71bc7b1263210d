import Compute
import Model
import TestSupport
import Testing

@Suite("Memory of a network")
struct MemoryTests {
    private func bytes(
        _ variant: Variant, _ use: NetworkUse, _ arithmetic: Arithmetic = .oneDNN, capacity: Int = 3
    ) throws -> Int {
        Network.bytes(variant.configuration, capacity: capacity, use: use, engine: try arithmetic.engine())
    }

    private func uses(_ variant: Variant) -> [NetworkUse] {
        let m = variant.iterations.withGradient
        return [
            .inference, .training(activations: .keep, iterations: m), .training(activations: .recompute, iterations: m),
        ]
    }

    @Test("the plan is what is taken", arguments: Variant.all, Arithmetic.float32)
    func plan(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        for use in uses(variant) {
            #expect(try Harness(variant, arithmetic, use: use).network.bytes == bytes(variant, use, arithmetic))
        }
    }

    @Test("in bfloat16 too, which takes less", arguments: Variant.all + Variant.wide, Arithmetic.bfloat16)
    func planOfBFloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        for use in uses(variant) {
            let planned = try bytes(variant, use, arithmetic)
            #expect(try Harness(variant, arithmetic, use: use).network.bytes == planned)
        }
        let keep = uses(variant)[1]
        let float32 = Arithmetic(library: arithmetic.library, precision: .float32)
        #expect(try bytes(variant, keep, arithmetic, capacity: 400) < bytes(variant, keep, float32, capacity: 400))
    }

    @Test("iterations without a gradient take none", arguments: ActivationMode.allCases)
    func freeIterations(_ activations: ActivationMode) throws {
        let harness = try Harness(.fpdm, use: .training(activations: activations, iterations: 2))
        let before = harness.network.bytes
        let batch = Batch(.fpdm, samples: 3)
        let outcome = harness.forward(batch, Iterations(withoutGradient: 50, withGradient: 2))
        #expect(harness.network.bytes == before)
        #expect(outcome.output.allSatisfy { $0.isFinite })
    }

    private func expectOneState(_ arithmetic: Arithmetic, capacity: Int) throws {
        for variant in [Variant.fpdm] + Variant.wide.filter({ $0.configuration.fixedPoint }) {
            let c = variant.configuration
            // Buffers start at multiples of a cache line.
            let state = (capacity * c.tokens * c.width + 15) / 16 * 16 * 4
            for m in 1..<6 {
                func grown(_ activations: ActivationMode) throws -> Int {
                    let (less, more) = (
                        NetworkUse.training(activations: activations, iterations: m),
                        NetworkUse.training(activations: activations, iterations: m + 1)
                    )
                    return try bytes(variant, more, arithmetic, capacity: capacity)
                        - bytes(variant, less, arithmetic, capacity: capacity)
                }
                #expect(try grown(.recompute) == state, "\(variant)")
                #expect(try grown(.keep) > 10 * state * arithmetic.element.bytes / 4, "\(variant)")
            }
        }
    }

    @Test(
        "with recomputation an iteration with a gradient takes one state of floats", arguments: [1, 3, 20],
        Arithmetic.float32)
    func recompute(_ capacity: Int, _ arithmetic: Arithmetic) throws {
        try expectOneState(arithmetic, capacity: capacity)
    }

    @Test("in bfloat16 too", arguments: [1, 20], Arithmetic.bfloat16)
    func recomputeInBFloat16(_ capacity: Int, _ arithmetic: Arithmetic) throws {
        try expectOneState(arithmetic, capacity: capacity)
    }

    @Test("inference takes less than training, and recomputation less than keeping what it forms again")
    func order() throws {
        for variant in Variant.all + Variant.wide {
            let c = variant.configuration
            let all = try uses(variant).map { try bytes(variant, $0) }
            #expect(all[0] < all[1] && all[0] < all[2], "\(variant)")
            // A group's activations have memory of their own, which has to be saved twice to pay.
            let kept = c.fixedPoint ? c.preDepth + c.postDepth + variant.iterations.withGradient : c.depth
            if kept > 2 { #expect(all[2] < all[1], "\(variant)") }
        }
    }

    @Test("with recomputation blocks of a stack share the memory of their packed weights")
    func packed() throws {
        func added(_ activations: ActivationMode) throws -> Int {
            func taken(_ depth: Int) throws -> Int {
                var c = Variant.dit.configuration
                (c.width, c.depth) = (64, depth)
                return Network.bytes(
                    c, capacity: 1, use: .training(activations: activations, iterations: 0),
                    engine: try Arithmetic.oneDNN.engine())
            }
            return try taken(5) - taken(4)
        }
        // A block's layers: 3 + 1 + 2 x mlpRatio products of the width by itself, packed for either direction.
        let packed = 2 * (4 + 2 * 3) * 64 * 64 * 4
        #expect(try added(.keep) > packed)
        #expect(try added(.recompute) < packed / 4)
    }

    @Test("the backward pass takes memory for a group, however many samples there are")
    func groups() throws {
        let variant = Variant.fpdm144
        let group = variant.configuration.cut.groupSamples
        func training(_ samples: Int, _ activations: ActivationMode) throws -> Int {
            try bytes(variant, .training(activations: activations, iterations: 2), capacity: samples)
        }
        // Up to a group the backward pass's own memory grows too.
        let first = try training(group, .keep) - training(group / 2, .keep)
        let second = try training(2 * group, .keep) - training(3 * group / 2, .keep)
        #expect(second < first)
        let more = try training(3 * group, .recompute) - training(2 * group, .recompute)
        #expect(try more * 2 < training(3 * group, .keep) - training(2 * group, .keep))
    }

    @Test("an unrolled solve takes as many states as it has iterations, jfb one")
    func modes() throws {
        func taken(_ gradient: SolveGradient, _ activations: ActivationMode) throws -> Int {
            let most = gradient.iterations(Iterations(withoutGradient: 3, withGradient: 2)).withGradient
            return try bytes(
                .fpdm, .training(activations: activations, iterations: most, gradient: gradient), capacity: 20)
        }
        for activations in ActivationMode.allCases {
            let all = try SolveGradient.allCases.map { try taken($0, activations) }
            let one = all[0] - all[1]
            #expect(one > 0 && all[2] - all[0] == 3 * one, "\(activations): \(all)")
        }
    }

    @Test("a DiT's memory does not depend on the iterations asked for")
    func transformer() throws {
        #expect(
            try bytes(.dit, .training(activations: .keep, iterations: 0))
                == bytes(.dit, .training(activations: .keep, iterations: 9)))
    }
}
