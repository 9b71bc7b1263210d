import Diffusion
import Testing

@Suite struct DiffusionConfigurationTests {
    private func fields(_ configuration: DiffusionConfiguration, learnSigma: Bool = false) -> [String] {
        configuration.problems(learnSigma: learnSigma).map(\.field)
    }

    @Test func theDefaultIsSound() { #expect(fields(DiffusionConfiguration(), learnSigma: true).isEmpty) }

    @Test func everyTargetHasASoundSetting() {
        for target in DiffusionConfiguration.Target.allCases {
            #expect(fields(DiffusionConfiguration(target), learnSigma: target != .flow).isEmpty)
        }
        #expect(fields(DiffusionConfiguration(.v, .p2, zeroTerminalSNR: true), learnSigma: true).isEmpty)
        #expect(fields(DiffusionConfiguration(.x0, zeroTerminalSNR: true), learnSigma: true).isEmpty)
    }

    @Test func contradictionsNameTheField() {
        #expect(fields(DiffusionConfiguration(.flow), learnSigma: true) == ["target"])
        #expect(fields(DiffusionConfiguration(.eps, zeroTerminalSNR: true)) == ["target"])
        #expect(fields(DiffusionConfiguration(.eps, steps: 20)) == ["steps"])
        #expect(fields(DiffusionConfiguration(.eps, schedule: .cosine, steps: 20)).isEmpty)
        #expect(fields(DiffusionConfiguration(.flow, steps: 1)) == ["steps"])
    }

    /// Problems, schedules and objectives refuse just what lies outside the limits that jobs read.
    @Test func stepsBeyondTheLimitAreRefused() {
        let limit = DiffusionConfiguration.stepsLimit
        for target in DiffusionConfiguration.Target.allCases {
            for steps in [limit.lowerBound, limit.upperBound] {
                #expect(fields(DiffusionConfiguration(target, schedule: .cosine, steps: steps)).isEmpty)
            }
            for steps in [limit.lowerBound - 1, limit.upperBound + 1, 0, .min, .max] {
                let configuration = DiffusionConfiguration(target, schedule: .cosine, steps: steps)
                #expect(fields(configuration) == ["steps"])
                #expect(throws: DiffusionError.self) { try NoiseSchedule(configuration) }
                #expect(throws: DiffusionError.self) {
                    try Objective(configuration, learnSigma: false, channels: 1, pixels: 1)
                }
            }
        }
    }

    @Test func lossesThatCannotBeAreNamed() {
        typealias Configuration = DiffusionConfiguration
        for loss in Configuration.Loss.allCases {
            #expect(fields(Configuration(.v, zeroTerminalSNR: true, loss: loss), learnSigma: true).isEmpty)
            #expect(fields(Configuration(.flow, loss: loss)) == (loss == .mse ? [] : ["loss"]))
        }
        // What trains no variances has none to rescale; the bound itself goes with fixed ones.
        #expect(fields(Configuration(.eps, loss: .rescaledMSE)) == ["loss"])
        #expect(fields(Configuration(.eps, loss: .kl, fixedVariance: .small)).isEmpty)
        #expect(fields(Configuration(.v, .p2, loss: .rescaledKL)) == ["weighting"])
        #expect(fields(Configuration(.eps, zeroTerminalSNR: true, loss: .kl)) == ["target"])
        #expect(throws: DiffusionError.self) {
            try Objective(
                Configuration(.eps, zeroTerminalSNR: true, loss: .kl), learnSigma: false, channels: 1, pixels: 1)
        }
        #expect(fields(Configuration(.eps, fixedVariance: .small), learnSigma: true) == ["fixedVariance"])
        #expect(fields(Configuration(.flow, fixedVariance: .small)) == ["fixedVariance"])
        #expect(fields(Configuration(.v, fixedVariance: .small)).isEmpty)
    }

    @Test func settingsThatDoNothingAreNamed() {
        #expect(fields(DiffusionConfiguration(.eps, .snr)) == ["weighting"])
        #expect(fields(DiffusionConfiguration(.flow, schedule: .cosine)).isEmpty)
        #expect(fields(DiffusionConfiguration(.flow, zeroTerminalSNR: true)) == ["zeroTerminalSNR"])
        // They stop a job, not the arithmetic: reference cases set a weighting for every target.
        #expect(throws: Never.self) {
            try Objective(DiffusionConfiguration(.eps, .p2), learnSigma: true, channels: 1, pixels: 1)
        }
    }

    @Test func objectivesRefuseContradictions() {
        let error = #expect(throws: DiffusionError.self) {
            try Objective(DiffusionConfiguration(.flow), learnSigma: true, channels: 1, pixels: 1)
        }
        #expect(error?.message.contains("learnSigma") == true)
        #expect(throws: DiffusionError.self) {
            try Objective(
                DiffusionConfiguration(.eps, zeroTerminalSNR: true), learnSigma: true, channels: 1, pixels: 1)
        }
    }
}
