import Diffusion
import Glibc
import Testing

@Suite struct SamplerTests {
    @Test func stepsMatchReference() throws {
        let golden = try Golden.load()
        #expect(golden.steps.count > 100 && golden.smallSteps.count == 8)
        for row in golden.steps + golden.smallSteps {
            let target = try #require(DiffusionConfiguration.Target(rawValue: row.target))
            let sampler = try Sampler(
                DiffusionConfiguration(
                    target, zeroTerminalSNR: row.zeroTerminalSNR,
                    fixedVariance: row.fixedVariance == "small" ? .small : .large),
                learnSigma: row.learnSigma, channels: row.channels, pixels: row.pixels,
                kind: try #require(SamplerKind(rawValue: row.sampler)),
                respacing: "8", eta: row.eta, clipDenoised: row.clip)
            #expect(sampler.count == 8)
            #expect(sampler.originalTimestep(at: row.index) == row.timestep)
            var next = [Float](repeating: .nan, count: row.x.count)
            sampler.step(index: row.index, x: row.x, output: row.output, noise: row.noise, next: &next)
            for (ours, theirs) in zip(next, row.next) {
                #expect(close(Double(ours), theirs, relative: 1.2e-7, absolute: 1e-9), "\(row.testName)")
            }
        }
    }

    private func sampler(
        _ target: DiffusionConfiguration.Target, _ kind: SamplerKind, eta: Double = 0, clip: Bool = false
    ) throws -> Sampler {
        try Sampler(
            DiffusionConfiguration(target), learnSigma: false, channels: 2, pixels: 3, kind: kind, respacing: "8",
            eta: eta,
            clipDenoised: clip)
    }

    @Test func stepsWithoutNoiseAreTakenBack() throws {
        for sampler in [try sampler(.eps, .ddim), try sampler(.v, .ddim), try sampler(.flow, .flow)] {
            #expect(sampler.inversionProblem == nil)
            var draws = Draws(3)
            for index in 0..<sampler.count {
                let (x, output) = (draws.normals(6), draws.normals(6))
                var (next, back) = (x, [Float](repeating: .nan, count: 6))
                sampler.step(index: index, x: x, output: output, noise: nil, next: &next)
                sampler.invert(index: index, next: next, output: output, x: &back)
                for (found, wanted) in zip(back, x) {
                    #expect(
                        close(Double(found), Double(wanted), relative: 1e-4, absolute: 1e-5), "\(sampler.kind) \(index)"
                    )
                }
            }
        }
    }

    @Test func otherStepsAreNot() throws {
        let problems: [(Sampler, String)] = [
            (try sampler(.eps, .ddpm), "sampling.sampler: ddim"),
            (try sampler(.eps, .ddim, eta: 0.5), "sampling.eta: 0"),
            (try sampler(.eps, .ddim, clip: true), "sampling.clip"), (try sampler(.flow, .heun), "sampler: flow"),
            // The last step takes the prediction alone.
            (try sampler(.x0, .ddim), "keeps nothing"),
        ]
        for (sampler, words) in problems {
            #expect(sampler.inversionProblem?.contains(words) == true, "\(sampler.inversionProblem ?? "none")")
        }
    }

    /// Ten steps, rounded to float32 after each, stay within 2e-5 of the same steps in double; in place.
    @Test func trajectoriesStayNearDouble() throws {
        for kind in SamplerKind.allCases {
            for setting in kind.settings {
                try expectTrajectory(setting.configuration, kind: kind, learnSigma: setting.learnSigma)
            }
        }
    }

    private func expectTrajectory(
        _ configuration: DiffusionConfiguration, kind: SamplerKind, learnSigma: Bool
    ) throws {
        let channels = 3
        let pixels = 5
        let eta = kind == .ddim ? 0.7 : 0
        let sampler = try Sampler(
            configuration, learnSigma: learnSigma, channels: channels, pixels: pixels, kind: kind, respacing: "10",
            eta: eta, clipDenoised: true)
        let naive = try NaiveSampler(
            configuration, kind: kind, learnSigma: learnSigma, respacing: "10", eta: eta, clip: true)
        var draws = Draws(12)
        var x = draws.normals(channels * pixels)
        var reference = x.map { Double($0) }
        for index in (0..<sampler.count).reversed() {
            // A smooth stand-in for a network, which sees its own trajectory.
            let slope = 0.3 + 0.05 * Double(index)
            let shift = draws.normals((learnSigma ? 2 : 1) * channels * pixels)
            let output = shift.indices.map { Float(slope * Double(x[$0 % x.count])) + shift[$0] }
            let wide = shift.indices.map { slope * reference[$0 % x.count] + Double(shift[$0]) }
            let noise = draws.normals(x.count)
            x.withUnsafeMutableBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                sampler.step(
                    index: index, x: base, output: output, noise: sampler.usesNoise(at: index) ? noise : nil,
                    next: base)
            }
            reference = naive.step(index, x: reference, output: wide, noise: noise.map { Double($0) })
        }
        let error = zip(x, reference).reduce(0.0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
        let size = reference.reduce(0.0) { $0 + $1 * $1 }
        let distance = (error / size).squareRoot()
        #expect(distance < 2e-5, "\(configuration.target) \(kind) sigma \(learnSigma): \(distance)")
    }

    /// A network that knows x0 and the noise leads DDIM without noise exactly back to x0.
    @Test func perfectModelReachesTheImage() throws {
        for target in DiffusionConfiguration.Target.allCases {
            let zero = target == .v || target == .x0
            let configuration = DiffusionConfiguration(target, zeroTerminalSNR: zero)
            let objective = try Objective(configuration, learnSigma: false, channels: 1, pixels: 6)
            let sampler = try Sampler(
                configuration, learnSigma: false, channels: 1, pixels: 6, kind: target == .flow ? .flow : .ddim,
                respacing: "20")
            let x0: [Float] = [-1, -0.5, 0, 0.25, 0.75, 1]
            var draws = Draws(8)
            let noise = draws.normals(6)
            var x = noise  // where a flow starts
            if target != .flow { objective.addNoise(x0: x0, noise: noise, t: 999, into: &x) }
            for index in (0..<sampler.count).reversed() {
                let t = sampler.originalTimestep(at: index)
                let output = perfectOutput(configuration, x0: x0, noise: noise, t: t)
                let now = x
                sampler.step(index: index, x: now, output: output, noise: nil, next: &x)
            }
            for (a, b) in zip(x, x0) { #expect(abs(a - b) < 1e-5, "\(target): \(a) for \(b)") }
        }
    }

    /// What `addNoise` mixes, the sampler's prediction takes apart: a step from any t lands on the posterior's mean.
    @Test func noisingAndPredictingCancel() throws {
        var draws = Draws(9)
        let x0 = draws.normals(5)
        let noise = draws.normals(5)
        for target in [DiffusionConfiguration.Target.eps, .v, .x0] {
            let configuration = DiffusionConfiguration(target)
            let schedule = try NoiseSchedule(configuration)
            let objective = try Objective(configuration, learnSigma: false, channels: 1, pixels: 5)
            let sampler = try Sampler(configuration, learnSigma: false, channels: 1, pixels: 5, kind: .ddpm)
            for t in [0, 200, 700] {
                var xt = x0
                objective.addNoise(x0: x0, noise: noise, t: t, into: &xt)
                let output = perfectOutput(configuration, x0: x0, noise: noise, t: t)
                var next = x0
                sampler.step(index: t, x: xt, output: output, noise: [0, 0, 0, 0, 0], next: &next)
                for i in x0.indices {
                    let mean = schedule.posteriorX0[t] * Double(x0[i]) + schedule.posteriorXt[t] * Double(xt[i])
                    #expect(abs(Double(next[i]) - mean) < 1e-5, "\(target) t \(t)")
                }
            }
        }
    }

    @Test func etaOneHasThePosteriorVariance() throws {
        let configuration = DiffusionConfiguration(.eps)
        let sampler = try Sampler(
            configuration, learnSigma: false, channels: 1, pixels: 1, kind: .ddim, respacing: "20", eta: 1)
        let schedule = try NoiseSchedule(configuration, respacing: "20")
        for index in 1..<20 {
            var without: [Float] = [0]
            var with: [Float] = [0]
            sampler.step(index: index, x: [0], output: [0], noise: [0], next: &without)
            sampler.step(index: index, x: [0], output: [0], noise: [1], next: &with)
            let deviation = Double(with[0] - without[0])
            #expect(close(deviation * deviation, schedule.posteriorVariance[index], relative: 1e-5))
        }
    }

    @Test func lastStepReadsNoNoise() throws {
        let sampler = try Sampler(
            DiffusionConfiguration(.eps), learnSigma: true, channels: 1, pixels: 1, kind: .ddpm, respacing: "5")
        #expect(!sampler.usesNoise(at: 0) && sampler.usesNoise(at: 1))
        var next: [Float] = [.nan]
        sampler.step(index: 0, x: [0.5], output: [0.25, .nan], noise: [.nan], next: &next)
        #expect(next[0].isFinite)
    }

    @Test func impossibleSamplersAreRefused() {
        func make(
            _ target: DiffusionConfiguration.Target, _ kind: SamplerKind, learnSigma: Bool = false, zero: Bool = false,
            respacing: String = "10", eta: Double = 0
        ) throws {
            _ = try Sampler(
                DiffusionConfiguration(target, zeroTerminalSNR: zero), learnSigma: learnSigma, channels: 1, pixels: 1,
                kind: kind, respacing: respacing, eta: eta)
        }
        for kind in SamplerKind.allCases {
            for target in DiffusionConfiguration.Target.allCases where !kind.targets.contains(target) {
                let error = #expect(throws: DiffusionError.self) { try make(target, kind) }
                #expect(error?.message.contains("sampler \(kind.rawValue)") == true)
                #expect(error?.message.contains("choose") == true)
            }
        }
        #expect(throws: DiffusionError.self) { try make(.flow, .flow, learnSigma: true) }
        #expect(throws: DiffusionError.self) { try make(.eps, .ddim, zero: true) }
        #expect(throws: DiffusionError.self) { try make(.eps, .ddpm, respacing: "1001") }
        #expect(throws: DiffusionError.self) { try make(.eps, .ddim, eta: Sampler.etaLimit.upperBound.nextUp) }
        #expect(throws: DiffusionError.self) { try make(.eps, .ddim, eta: Sampler.etaLimit.lowerBound.nextDown) }
        #expect(throws: DiffusionError.self) { try make(.eps, .ddim, eta: .nan) }
        #expect(throws: Never.self) { try make(.eps, .ddim, eta: Sampler.etaLimit.lowerBound) }
        #expect(throws: Never.self) { try make(.eps, .ddim, eta: Sampler.etaLimit.upperBound) }
        #expect(throws: Never.self) { try make(.x0, .ddim, learnSigma: true, zero: true) }
    }

    /// x' = a(u) x has an exact solution. Heun's error falls with the square of the number of steps, Euler's does not.
    @Test func heunIsOfSecondOrder() throws {
        func end(_ count: Int) throws -> Double {
            let sampler = try Sampler(
                DiffusionConfiguration(.flow), learnSigma: false, channels: 1, pixels: 1, kind: .heun,
                respacing: String(count))
            // The network is told u in thousandths, and moves x by -dx/du.
            func velocity(_ x: Float, _ timestep: Int) -> Float {
                let u = timestep == 999 ? 1 : Double(timestep) / 1000
                return Float(-cos(2 * u) * Double(x))
            }
            var x: [Float] = [1]
            for index in (0..<count).reversed() {
                let first = velocity(x[0], sampler.originalTimestep(at: index))
                let now = x
                sampler.step(index: index, x: now, output: [first], noise: nil, next: &x)
                let second = velocity(x[0], try #require(sampler.secondTimestep(at: index)))
                sampler.correct(index: index, first: [first], second: [second], next: &x)
            }
            return Double(x[0])
        }
        // x(0) = x(1) exp(-integral of cos(2 u) from 0 to 1).
        let exact = exp(-sin(2.0) / 2)
        let errors = try [10, 20, 40].map { abs(try end($0) - exact) }
        #expect(errors[0] < 5e-3)
        for (coarse, fine) in zip(errors, errors.dropFirst()) { #expect(3.3...4.7 ~= coarse / fine, "\(errors)") }
    }

    @Test func heunGoesFromNoiseToTheImageAndBackInTime() throws {
        let sampler = try Sampler(
            DiffusionConfiguration(.flow), learnSigma: false, channels: 1, pixels: 1, kind: .heun, respacing: "4")
        #expect((0..<4).map { sampler.originalTimestep(at: $0) } == [250, 500, 750, 999])
        #expect((0..<4).map { sampler.secondTimestep(at: $0) } == [0, 250, 500, 750])
        #expect((0..<4).map { sampler.evaluations(at: $0) } == [2, 2, 2, 2])
    }
}
