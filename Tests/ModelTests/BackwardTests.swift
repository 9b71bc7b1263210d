import Compute
import Model
import TestSupport
import Testing

@Suite("Backward against finite differences of the naive network")
struct BackwardTests {
    /// Elements of one tensor that are differenced; all of the smaller ones.
    private static let sampled = 48

    /// Every tensor's gradient. In an FPDM the state that enters the iterations with a gradient is a constant
    /// (S-JFB, arXiv 2401.08741): the naive loss starts from it and takes those iterations only.
    @Test("every parameter tensor", arguments: Variant.all)
    func everyTensor(_ variant: Variant) throws {
        let batch = Batch(variant, samples: Variant.samples)
        let all = try Arithmetic.float32.map { try gradients(variant, batch, $0) }
        let table = ParameterTable(variant.configuration)
        var loss = NaiveLoss(variant, batch)
        for p in table.parameters {
            let order = randomFloats(p.range.count, seed: 3)
            let elements = order.indices.sorted { order[$0] < order[$1] }.prefix(Self.sampled)
            let expected = elements.map { element in
                loss.slope(p.range.lowerBound + element..<p.range.lowerBound + element + 1, [1])
            }
            for gradients in all {
                let actual = elements.map { gradients[p.range.lowerBound + $0] }
                // Differences of numbers of order 10 in double leave an error of about 1e-10 / 1e-5.
                if expected.allSatisfy({ abs($0) < 1e-8 }) {
                    #expect(actual.allSatisfy { abs($0) < 1e-6 }, "\(p.name) has no gradient")
                } else {
                    expectClose(actual, expected, within: 3e-5, p.name)
                }
            }
        }
        // The padding between tensors stays zero, or optimizers and norms would see it.
        var padding = all[0]
        for p in table.parameters {
            for i in p.range { padding[i] = 0 }
        }
        #expect(padding.allSatisfy { $0 == 0 })
    }

    private func gradients(
        _ variant: Variant, _ batch: Batch, _ arithmetic: Arithmetic, _ activations: ActivationMode = .keep,
        _ gradient: SolveGradient = .sjfb
    ) throws -> [Float] {
        let iterations = gradient.iterations(variant.iterations)
        let use = NetworkUse.training(
            activations: activations, iterations: iterations.withGradient, gradient: gradient)
        let harness = try Harness(variant, arithmetic, capacity: batch.timesteps.count, use: use)
        _ = harness.forward(batch, iterations)
        return harness.backward(batch, iterations, gradient: Harness.outputGradient(batch))
    }

    /// The other ways back through a solve. Unrolled, what is differenced is the whole network.
    @Test(
        "every parameter tensor, by the other backward modes", arguments: [SolveGradient.jfb, .unroll],
        Variant.all.filter { $0.configuration.fixedPoint } + Variant.wide.suffix(1))
    func modes(_ gradient: SolveGradient, _ variant: Variant) throws {
        let batch = Batch(variant, samples: variant.configuration.tokens > 64 ? 1 : Variant.samples)
        let all = try ActivationMode.allCases.map { try gradients(variant, batch, .oneDNN, $0, gradient) }
        expectSameBits(all[0], all[1], "kept and formed again")
        let others = try SolveGradient.allCases.filter { $0 != gradient }.map {
            try gradients(variant, batch, .oneDNN, .keep, $0)
        }
        // A variant that draws one iteration alone has one gradient by sjfb and jfb.
        if variant.iterations.withGradient != 1 { #expect(others.allSatisfy { $0 != all[0] }) }
        var loss = NaiveLoss(variant, batch, gradient: gradient)
        for p in ParameterTable(variant.configuration).parameters {
            let own = all[0][p.range.lowerBound..<p.range.upperBound].map(Double.init)
            let size = dot(own, own).squareRoot()
            let random = randomFloats(p.range.count, seed: 5).doubles
            let length = dot(random, random).squareRoot()
            for direction in [own.map { $0 / max(size, 1e-12) }, random.map { $0 / length }] {
                let slope = loss.slope(p.range, direction)
                #expect(abs(slope - dot(own, direction)) < 3e-5 * size + 1e-6, "\(p.name): \(slope) along it")
            }
        }
    }

    @Test("iterations of a mode are all that are drawn")
    func iterationsOfModes() {
        func counts(_ way: SolveGradient, _ n: Int, _ m: Int) -> [Int] {
            let iterations = way.iterations(Iterations(withoutGradient: n, withGradient: m))
            return [iterations.withoutGradient, iterations.withGradient]
        }
        #expect(counts(.sjfb, 3, 2) == [3, 2] && counts(.jfb, 3, 2) == [4, 1] && counts(.unroll, 3, 2) == [0, 5])
        #expect(counts(.sjfb, 3, 0) == [3, 0] && counts(.jfb, 3, 0) == [2, 1] && counts(.unroll, 3, 0) == [0, 3])
        for way in SolveGradient.allCases { #expect(counts(way, 0, 0) == [0, 0]) }
    }

    @Test("an unrolled solve without iterations passes the whole gradient on")
    func emptySolve() throws {
        let none = Iterations(withoutGradient: 0, withGradient: 0)
        var variant = Variant.fpdm
        variant.iterations = none
        let batch = Batch(variant, samples: Variant.samples)
        let own = try gradients(variant, batch, .oneDNN, .keep, .unroll)
        var loss = NaiveLoss(variant, batch, gradient: .unroll)
        let p = try #require(ParameterTable(variant.configuration).parameter(named: "x_embedder.proj.weight"))
        let values = own[p.range].map(Double.init)
        let size = dot(values, values).squareRoot()
        #expect(size > 1e-3 && abs(loss.slope(p.range, values.map { $0 / size }) - size) < 3e-5 * size)
    }

    /// Wide layers take a naive network too long: its own loss, a little along each tensor's gradient, and back.
    @Test("every parameter tensor of a network of wide layers, along its gradient", arguments: ActivationMode.allCases)
    func wideLayers(_ activations: ActivationMode) throws {
        let variant = Variant.wideLayers
        let batch = Batch(variant, samples: 2)
        let use = NetworkUse.training(activations: activations, iterations: variant.iterations.withGradient)
        let harness = try Harness(variant, capacity: 2, use: use)
        let weights = Harness.weights(harness.network.table)
        let outputGradient = Harness.outputGradient(batch)
        _ = harness.forward(batch, variant.iterations)
        let gradients = harness.backward(batch, variant.iterations, gradient: outputGradient)
        func loss(_ p: Parameter, _ direction: [Double], _ step: Double) -> Double {
            var moved = weights
            for (i, d) in zip(p.range, direction) { moved[i] += Float(step * d) }
            harness.load(moved)
            return dot(harness.forward(batch, variant.iterations).output.doubles, outputGradient.doubles)
        }
        for p in harness.network.table.parameters {
            let own = gradients[p.range.lowerBound..<p.range.upperBound].map(Double.init)
            let values = weights[p.range.lowerBound..<p.range.upperBound].map(Double.init)
            let (size, length) = (dot(own, own).squareRoot(), dot(values, values).squareRoot())
            let (direction, step) = (own.map { $0 / max(size, 1e-9) }, 3e-3 * length)
            let slope = (loss(p, direction, step) - loss(p, direction, -step)) / (2 * step)
            #expect(abs(slope - size) < 2e-2 * size + 2e-3, "\(p.name): \(slope), its gradient's size is \(size)")
        }
    }

    /// Samples of more tokens than a panel has, which naive networks take long for: along some directions only.
    @Test("every parameter tensor of larger networks, along directions", arguments: Variant.wide)
    func directions(_ variant: Variant) throws {
        let batch = Batch(variant, samples: 2)
        let gradients = try gradients(variant, batch, .oneDNN)
        var loss = NaiveLoss(variant, batch)
        for p in ParameterTable(variant.configuration).parameters {
            let own = gradients[p.range.lowerBound..<p.range.upperBound].map(Double.init)
            let size = dot(own, own).squareRoot()
            // Along the gradient, where its size shows, and across, where a wrong element does.
            let random = randomFloats(p.range.count, seed: 5).doubles
            let length = dot(random, random).squareRoot()
            for direction in [own.map { $0 / size }, random.map { $0 / length }] {
                let slope = loss.slope(p.range, direction)
                #expect(abs(slope - dot(own, direction)) < 3e-5 * size + 1e-7, "\(p.name): \(slope) along it")
            }
        }
    }

    @Test("bfloat16 is near float32", arguments: Variant.all + Variant.wide, Arithmetic.bfloat16)
    func bfloat16(_ variant: Variant, _ arithmetic: Arithmetic) throws {
        let batch = Batch(variant, samples: Variant.samples)
        let (exact, actual) = (
            try gradients(variant, batch, .oneDNN), try gradients(variant, batch, arithmetic, .recompute)
        )
        expectClose(actual, exact.doubles, within: 3e-2, "all")
        for p in ParameterTable(variant.configuration).parameters {
            let own = exact[p.range.lowerBound..<p.range.upperBound].map(Double.init)
            guard dot(own, own) > 1e-6 else { continue }
            expectClose(Array(actual[p.range.lowerBound..<p.range.upperBound]), own, within: 8e-2, p.name)
        }
    }

    @Test("a solve without gradient iterations passes none on to what precedes it")
    func noGradient() throws {
        let variant = try #require(Variant.all.first { $0.configuration.fixedPoint && $0.iterations.withGradient == 0 })
        let harness = try Harness(variant)
        let batch = Batch(variant, samples: Variant.samples)
        _ = harness.forward(batch, variant.iterations)
        let gradients = harness.backward(batch, variant.iterations, gradient: Harness.outputGradient(batch))
        for p in harness.network.table.parameters
        where p.name.hasPrefix("block_") || p.name.hasPrefix("blocks_pre") || p.name.hasPrefix("x_embedder") {
            #expect(gradients[p.range].allSatisfy { $0 == 0 }, "\(p.name)")
        }
        #expect(gradients.contains { $0 != 0 })
    }

    @Test("fewer iterations than planned, changing from step to step")
    func changingIterations() throws {
        let batch = Batch(.fpdm, samples: Variant.samples)
        for activations in ActivationMode.allCases {
            let roomy = try Harness(.fpdm, use: .training(activations: activations, iterations: 4))
            for (n, m) in [(0, 4), (3, 1), (2, 0), (1, 2)] {
                let iterations = Iterations(withoutGradient: n, withGradient: m)
                let exact = try Harness(.fpdm, use: .training(activations: .keep, iterations: m))
                func run(_ harness: Harness) -> [Float] {
                    harness.clearGradients()
                    let outcome = harness.forward(batch, iterations)
                    return outcome.output
                        + harness.backward(batch, iterations, gradient: Harness.outputGradient(batch))
                }
                expectSameBits(run(roomy), run(exact), "n \(n), m \(m), \(activations)")
            }
        }
    }

    @Test("gradients add up over microbatches", arguments: [Variant.dit, .fpdm] + Variant.wide)
    func accumulation(_ variant: Variant) throws {
        let harness = try Harness(variant)
        let batches = [Batch(variant, samples: 3, seed: 1), Batch(variant, samples: 2, seed: 2)]
        func gradients(_ batch: Batch) -> [Float] {
            _ = harness.forward(batch, variant.iterations)
            return harness.backward(batch, variant.iterations, gradient: Harness.outputGradient(batch))
        }
        let alone = batches.map { batch in
            harness.clearGradients()
            return gradients(batch)
        }
        harness.clearGradients()
        let together = batches.map(gradients)[1]
        expectClose(together, zip(alone[0].doubles, alone[1].doubles).map(+), within: 1e-6, "sum")
        #expect(relativeError(together, alone[1].doubles) > 0.1)
    }
}
