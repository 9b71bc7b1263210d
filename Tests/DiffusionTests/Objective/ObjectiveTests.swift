import Diffusion
import Testing

@Suite struct ObjectiveTests {
    @Test func lossesMatchReference() throws {
        let golden = try Golden.load()
        #expect(golden.losses.count > 70 && golden.bounds.count > 80)
        for row in golden.losses + golden.bounds {
            let objective = try Objective(row: row)
            let loss = objective.loss(
                output: row.output, x0: row.x0, noise: row.noise, t: row.t, gradientScale: 1, gradient: nil)
            #expect(close(loss.loss, row.loss, relative: 1e-9, absolute: 1e-14), "\(row.testName) loss \(loss)")
            #expect(close(loss.mse, row.mse, relative: 1e-9, absolute: 1e-14), "\(row.testName) mse \(loss)")
            #expect(close(loss.vb, row.vb, relative: 1e-7, absolute: 1e-14), "\(row.testName) vb \(loss)")
        }
    }

    @Test func noisedInputsMatchReference() throws {
        for row in try Golden.load().losses {
            var xt = [Float](repeating: .nan, count: row.x0.count)
            try Objective(row: row).addNoise(x0: row.x0, noise: row.noise, t: row.t, into: &xt)
            #expect(xt == row.xt, "\(row.testName)")
        }
    }

    /// The losses that hold the bound, with each variance. The bound alone trains the mean, too.
    @Test(arguments: DiffusionConfiguration.Loss.allCases, [true, false])
    func gradientsOfTheBoundMatchFiniteDifferences(_ loss: DiffusionConfiguration.Loss, _ learnSigma: Bool) throws {
        guard loss.isBound || learnSigma else { return }
        for target in [DiffusionConfiguration.Target.eps, .v, .x0] {
            for variance in learnSigma ? [.large] : DiffusionConfiguration.FixedVariance.allCases {
                let configuration = DiffusionConfiguration(
                    target, zeroTerminalSNR: target == .v, loss: loss, fixedVariance: variance)
                for t in [0, 1, 523, 999] { try expectGradient(configuration, learnSigma: learnSigma, t: t) }
            }
        }
    }

    /// Every target x weighting x learned sigma at the first, second, a middle and the last step.
    @Test func gradientsMatchFiniteDifferences() throws {
        for target in DiffusionConfiguration.Target.allCases {
            for weighting in target == .v ? DiffusionConfiguration.Weighting.allCases : [.snrPlusOne] {
                for learnSigma in target == .flow ? [false] : [false, true] {
                    for zero in target == .v || target == .x0 ? [false, true] : [false] {
                        let configuration = DiffusionConfiguration(target, weighting, zeroTerminalSNR: zero)
                        for t in [0, 1, 523, 999] {
                            try expectGradient(configuration, learnSigma: learnSigma, t: t)
                        }
                    }
                }
            }
        }
    }

    /// Central differences with steps that float32 holds exactly, against the loss in double.
    private func expectGradient(
        _ configuration: DiffusionConfiguration, learnSigma: Bool, t: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let channels = 3
        let pixels = 7
        let scale = 0.375
        let objective = try Objective(configuration, learnSigma: learnSigma, channels: channels, pixels: pixels)
        var draws = Draws(UInt64(t + 17))
        var x0 = draws.normals(channels * pixels).map { max(-1.25, min(1.25, $0)) }
        x0[0] = -1
        x0[1] = 1
        x0[2] = 0.9995
        x0[3] = -0.9995
        x0[4] = 0.998
        let noise = draws.normals(channels * pixels)
        var output = draws.normals((learnSigma ? 2 : 1) * channels * pixels)
        if t == 0 {
            // Near the truth, where the likelihood of a pixel is off its floor and has a gradient.
            let truth = perfectOutput(configuration, x0: x0, noise: noise, t: t)
            let spread: Float = configuration.target == .x0 ? 0.005 : 0.5
            for i in truth.indices { output[i] = truth[i] + spread * output[i] }
        }
        var gradient = [Float](repeating: .nan, count: output.count)
        _ = objective.loss(
            output: output, x0: x0, noise: noise, t: t, gradientScale: scale, gradient: &gradient)

        let largest = gradient.map { Double(abs($0)) }.max() ?? 0
        var nonzeroVariance = false
        for i in output.indices {
            // A likelihood bends within 1 / 255, and the bound is a function of the mean, too.
            let h: Float = configuration.loss.isBound ? 1.0 / 65536 : 1.0 / 256
            func lossTerm(at value: Float) -> Double {
                var moved = output
                moved[i] = value
                let loss = objective.loss(
                    output: moved, x0: x0, noise: noise, t: t, gradientScale: 1, gradient: nil)
                // Beside a squared error the bound holds the mean fixed: an image value has the gradient of that alone.
                return i < channels * pixels && !configuration.loss.isBound ? loss.mse : loss.vb
            }
            let above = output[i] + h
            let below = output[i] - h
            let width = Double(above) - Double(below)
            let expected = scale * (lossTerm(at: above) - lossTerm(at: below)) / width
            if i >= channels * pixels && abs(expected) > 1e-4 { nonzeroVariance = true }
            #expect(
                close(Double(gradient[i]), expected, relative: 2e-4, absolute: 1e-6 + 1e-5 * largest),
                "\(configuration.target) \(configuration.weighting) sigma \(learnSigma) t \(t) output \(i)",
                sourceLocation: sourceLocation)
        }
        if learnSigma && t == 0 { #expect(nonzeroVariance, "the test proves nothing here") }
    }

    /// Where the likelihood lies at its floor, and far beyond it, loss and gradient stay finite.
    @Test func absurdOutputsStayFinite() throws {
        let objective = try Objective(DiffusionConfiguration(.eps), learnSigma: true, channels: 1, pixels: 3)
        let x0: [Float] = [-1, 0.25, 1]
        let noise: [Float] = [0.5, -0.5, 0]
        var gradient = [Float](repeating: .nan, count: 6)
        for mean: Float in [-100, 100] {
            for t in [0, 1, 999] {
                let output: [Float] = [mean, mean, mean, -3, 3, 0]
                let loss = objective.loss(output: output, x0: x0, noise: noise, t: t, gradient: &gradient)
                #expect(loss.loss.isFinite)
                #expect(gradient.allSatisfy { $0.isFinite })
            }
        }
    }

    @Test func zeroTerminalSNRIsFiniteForEveryWeighting() throws {
        var draws = Draws(3)
        let x0 = draws.normals(5)
        let noise = draws.normals(5)
        let output = draws.normals(10)
        for weighting in DiffusionConfiguration.Weighting.allCases {
            let objective = try Objective(
                DiffusionConfiguration(.v, weighting, zeroTerminalSNR: true), learnSigma: true, channels: 1, pixels: 5)
            let loss = objective.loss(output: output, x0: x0, noise: noise, t: 999, gradient: nil)
            #expect(loss.mse.isFinite && loss.vb.isFinite)
            // v is -x0 there. Published p2 and the SNR itself ignore that step; the plain error of v does not.
            let error = zip(output, x0).reduce(0.0) { sum, pair in
                sum + (Double(pair.0) + Double(pair.1)) * (Double(pair.0) + Double(pair.1)) / 5
            }
            switch weighting {
            case .snrPlusOne, .truncatedSNR: #expect(close(loss.mse, error, relative: 1e-12))
            case .p2, .snr, .sqrtSNR, .minSNR5: #expect(loss.mse == 0)
            }
        }
    }

    @Test func perfectOutputHasNoError() throws {
        for target in DiffusionConfiguration.Target.allCases {
            let configuration = DiffusionConfiguration(target)
            let objective = try Objective(configuration, learnSigma: false, channels: 1, pixels: 9)
            var draws = Draws(4)
            let x0 = draws.normals(9)
            let noise = draws.normals(9)
            for t in [0, 500, 999] {
                let output = perfectOutput(configuration, x0: x0, noise: noise, t: t)
                #expect(objective.loss(output: output, x0: x0, noise: noise, t: t, gradient: nil).loss < 1e-12)
            }
        }
    }

    @Test func noiseMayBeAddedInPlace() throws {
        let objective = try Objective(DiffusionConfiguration(.eps), learnSigma: false, channels: 1, pixels: 4)
        let x0: [Float] = [1, 2, 3, 4]
        var expected = x0
        objective.addNoise(x0: x0, noise: [1, -1, 0.5, 2], t: 300, into: &expected)
        var inPlace = x0
        inPlace.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            objective.addNoise(x0: base, noise: [1, -1, 0.5, 2], t: 300, into: base)
        }
        #expect(inPlace == expected)
    }

    @Test func timestepsAreUniform() throws {
        let objective = try Objective(
            DiffusionConfiguration(.eps, steps: 25), learnSigma: false, channels: 1, pixels: 1)
        #expect(objective.timestep(uniform: 0) == 0)
        #expect(objective.timestep(uniform: 1.0.nextDown) == 24)
        var seen = [Int](repeating: 0, count: 25)
        for i in 0..<1000 { seen[objective.timestep(uniform: (Double(i) + 0.5) / 1000)] += 1 }
        #expect(seen.allSatisfy { $0 == 40 })
    }
}

extension Objective {
    fileprivate init(row: Golden.Loss) throws {
        let target = try #require(DiffusionConfiguration.Target(rawValue: row.target))
        let weighting = try #require(DiffusionConfiguration.Weighting(rawValue: row.weighting))
        let schedule = try #require(DiffusionConfiguration.Schedule(rawValue: row.schedule))
        try self.init(
            DiffusionConfiguration(
                target, weighting, schedule: schedule, steps: row.steps ?? 1000, zeroTerminalSNR: row.zeroTerminalSNR,
                loss: try #require(DiffusionConfiguration.Loss(rawValue: row.kind ?? "mse")),
                fixedVariance: try #require(
                    DiffusionConfiguration.FixedVariance(rawValue: row.fixedVariance ?? "large"))),
            learnSigma: row.learnSigma, channels: row.channels, pixels: row.pixels)
    }
}
