import Glibc

extension SamplerTable {
    /// Ancestral sampling (arXiv 2006.11239, algorithm 2): the mean of q(x_{t-1} | x_t, x0) at the predicted x0 (eq. 7),
    /// and noise of the learned variance (arXiv 2102.09672, eq. 15), or else of the fixed one that the configuration
    /// names.
    static func ddpm(
        _ configuration: DiffusionConfiguration, learnSigma: Bool, respacing: String
    ) throws -> SamplerTable {
        let predict = try configuration.target.imagePrediction(for: .ddpm)
        let schedule = try NoiseSchedule(configuration, respacing: respacing)
        let fixed = schedule.fixedLogVariance(configuration.fixedVariance)
        /// The last step ends on the mean.
        func noise(_ i: Int) -> Noise {
            guard i > 0 else { return .none }
            guard learnSigma else { return .scaled(exp(0.5 * fixed[i])) }
            return .learned(smallest: schedule.posteriorLogVariance[i], largest: schedule.logBetas[i])
        }
        let steps = schedule.timesteps.enumerated().map { i, timestep in
            let weights = predict(schedule.alphasCumprod[i])
            return Step(
                timestep: timestep, predictX: weights.x, predictOutput: weights.output,
                meanX0: schedule.posteriorX0[i], meanX: schedule.posteriorXt[i], noise: noise(i))
        }
        return SamplerTable(steps: steps, predictsImage: true)
    }
}
