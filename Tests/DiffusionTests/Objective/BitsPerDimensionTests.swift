import Diffusion
import Testing

@Suite struct BitsPerDimensionTests {
    @Test func termsMatchReference() throws {
        let rows = try Golden.load().bits
        #expect(rows.count == 4)
        for row in rows {
            let target = try #require(DiffusionConfiguration.Target(rawValue: row.target))
            let bound = try BitsPerDimension(
                DiffusionConfiguration(
                    target, zeroTerminalSNR: row.zeroTerminalSNR,
                    fixedVariance: try #require(DiffusionConfiguration.FixedVariance(rawValue: row.fixedVariance))),
                learnSigma: row.learnSigma, channels: row.channels, pixels: row.pixels, respacing: "6", clip: row.clip)
            #expect(bound.count == row.bits.count && bound.originalTimestep(at: 5) == 999)
            for index in row.bits.indices {
                let term = bound.term(
                    output: row.output[index], x0: row.x0, noise: row.noise[index], index: index)
                let name = "\(row.testName) index \(index): \(term)"
                #expect(close(term.bits, row.bits[index], relative: 1e-8), "\(name)")
                #expect(close(term.squaredErrorOfX0, row.imageErrors[index], relative: 1e-8), "\(name)")
                #expect(
                    close(term.squaredErrorOfNoise, row.noiseErrors[index], relative: 1e-8, absolute: 1e-12), "\(name)")
            }
            #expect(close(bound.prior(x0: row.x0), row.prior, relative: 1e-9, absolute: 1e-14), "\(row.testName)")
        }
    }

    /// Over all steps the mean of the terms is the loss that `kl` trains, but for what float32 rounds nowhere.
    @Test func theTermsAreThoseThatAreTrained() throws {
        let configuration = DiffusionConfiguration(.eps, steps: 30, loss: .kl, fixedVariance: .small)
        let objective = try Objective(configuration, learnSigma: false, channels: 1, pixels: 6)
        let bound = try BitsPerDimension(configuration, learnSigma: false, channels: 1, pixels: 6, clip: false)
        var draws = Draws(5)
        let (x0, noise, output) = (draws.normals(6), draws.normals(6), draws.normals(6))
        for t in 0..<30 {
            let trained = objective.loss(output: output, x0: x0, noise: noise, t: t, gradient: nil)
            let term = bound.term(output: output, x0: x0, noise: noise, index: t)
            #expect(trained.mse == 0 && close(trained.loss, term.bits, relative: 1e-12))
            var (own, theirs) = ([Float](repeating: .nan, count: 6), [Float](repeating: .nan, count: 6))
            objective.addNoise(x0: x0, noise: noise, t: t, into: &own)
            bound.addNoise(x0: x0, noise: noise, index: t, into: &theirs)
            #expect(own == theirs)
        }
    }

    @Test func whatHasNoBoundIsRefused() {
        #expect(throws: DiffusionError.self) {
            try BitsPerDimension(DiffusionConfiguration(.flow), learnSigma: false, channels: 1, pixels: 1)
        }
        #expect(throws: DiffusionError.self) {
            try BitsPerDimension(
                DiffusionConfiguration(.eps, zeroTerminalSNR: true), learnSigma: false, channels: 1, pixels: 1)
        }
    }
}
