extension SamplerTable {
    /// Denoising diffusion implicit models (arXiv 2010.02502, eq. 12): the next x is
    /// sqrt(a') x0 + sqrt(1 - a' - sigma^2) eps + sigma noise, where a' is alphasCumprod of the index before and
    /// eps = (x - sqrt(a) x0) / sqrt(1 - a).
    ///
    /// This form of eps divides by no signal: at zero terminal SNR (a = 0) it is x itself, which is also what a
    /// prediction of v says there. Learned variances are not used.
    static func ddim(_ configuration: DiffusionConfiguration, respacing: String, eta: Double) throws -> SamplerTable {
        let predict = try configuration.target.imagePrediction(for: .ddim)
        let schedule = try NoiseSchedule(configuration, respacing: respacing)
        let steps = schedule.timesteps.enumerated().map { i, timestep in
            let a = schedule.alphasCumprod[i]
            let previous = schedule.alphasCumprodPrevious[i]
            let weights = predict(a)
            // Eq. 16. At index 0 the previous level has no noise, so that sigma is 0.
            let sigma = eta * ((1 - previous) / (1 - a)).squareRoot() * (1 - a / previous).squareRoot()
            let direction = max(1 - previous - sigma * sigma, 0).squareRoot() / (1 - a).squareRoot()
            return Step(
                timestep: timestep, predictX: weights.x, predictOutput: weights.output,
                meanX0: previous.squareRoot() - direction * a.squareRoot(), meanX: direction,
                noise: sigma > 0 ? .scaled(sigma) : .none)
        }
        return SamplerTable(steps: steps, predictsImage: true)
    }
}
