import Glibc
import Testing

@testable import Diffusion

@Suite struct SamplerTableTests {
    /// Each coefficient, found by unit values of x, the output and the noise, is that of the papers' formulas in double.
    @Test(arguments: SamplerKind.allCases, ["", "10", "1"])
    func tablesEqualTheFormulas(_ kind: SamplerKind, respacing: String) throws {
        #expect(!kind.settings.isEmpty)
        for (configuration, learnSigma) in kind.settings {
            for eta in [0, 0.7, 1] {
                let table = try kind.table(configuration, learnSigma: learnSigma, respacing: respacing, eta: eta)
                let naive = try NaiveSampler(
                    configuration, kind: kind, learnSigma: learnSigma, respacing: respacing, eta: eta, clip: false)
                if kind != .heun { #expect(table.steps.map(\.timestep) == naive.schedule.timesteps) }
                for (i, step) in table.steps.enumerated() {
                    func expected(x: Double = 0, output: Double = 0, noise: Double = 0, v: Double = 0.3) -> Double {
                        naive.step(i, x: [x], output: [output, v], noise: [noise])[0]
                    }
                    let name = "\(configuration.target) \(kind) sigma \(learnSigma) eta \(eta) step \(i)"
                    let ofX = step.meanX0 * step.predictX + step.meanX
                    let ofOutput = step.meanX0 * step.predictOutput
                    #expect(close(ofX, expected(x: 1), relative: 1e-9, absolute: 1e-11), "\(name)")
                    #expect(close(ofOutput, expected(output: 1), relative: 1e-9, absolute: 1e-11), "\(name)")
                    for v in [-1, 0.3, 1] {
                        let deviation = step.noise.deviation(v)
                        #expect(
                            close(deviation, expected(noise: 1, v: v), relative: 1e-9, absolute: 1e-11),
                            "\(name) v \(v)")
                    }
                }
            }
        }
    }

    /// Velocities are not images: they may exceed 1.
    @Test(arguments: SamplerKind.allCases)
    func clippingActsOnImagesOnly(_ kind: SamplerKind) throws {
        for (configuration, learnSigma) in kind.settings {
            let sampler = try Sampler(
                configuration, learnSigma: learnSigma, channels: 1, pixels: 1, kind: kind, respacing: "2",
                clipDenoised: true)
            var near: [Float] = [.nan]
            var far: [Float] = [.nan]
            // Both outputs predict images beyond the same end of [-1, 1].
            sampler.step(index: 0, x: [0], output: [500, 0], noise: nil, next: &near)
            sampler.step(index: 0, x: [0], output: [900, 0], noise: nil, next: &far)
            #expect((near == far) == (configuration.target != .flow), "\(configuration.target) \(kind)")
        }
    }

    @Test(arguments: SamplerKind.allCases)
    func theLastStepAddsNoNoise(_ kind: SamplerKind) throws {
        for (configuration, learnSigma) in kind.settings {
            let sampler = try Sampler(
                configuration, learnSigma: learnSigma, channels: 1, pixels: 1, kind: kind, respacing: "5", eta: 1)
            let noisy = (0..<sampler.count).map { sampler.usesNoise(at: $0) }
            #expect(
                noisy
                    == (kind.followsVelocity ? [false, false, false, false, false] : [false, true, true, true, true]))
        }
    }
}

extension SamplerTable.Noise {
    /// The standard deviation where the network's variance output is `v`.
    fileprivate func deviation(_ v: Double) -> Double {
        switch self {
        case .none: 0
        case .scaled(let deviation): deviation
        case .learned(let smallest, let largest):
            // Geometric mean of the two variances, weighted (arXiv 2102.09672, eq. 15).
            (exp(smallest * (1 - v) / 2) * exp(largest * (v + 1) / 2)).squareRoot()
        }
    }
}
