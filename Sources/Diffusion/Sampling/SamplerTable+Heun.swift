extension SamplerTable {
    /// Heun's steps of equal length along a learned velocity (arXiv 2206.00364, algorithm 1, without noise; of second
    /// order): an Euler step from time u to u', and then the mean of the velocities at both its ends in place of the first
    /// one. Times go from 1, noise, to 0, the image; the network is told them as training steps, u times their number and
    /// at most the last.
    ///
    /// The published Euler steps (`flow`) are told one end of each step alone, between the first and the last training step;
    /// these are told both, so that their times are those that the images are at.
    static func heun(_ configuration: DiffusionConfiguration, respacing: String) throws -> SamplerTable {
        let euler = try flow(configuration, respacing: respacing, kind: .heun)
        let count = euler.steps.count
        func timestep(_ i: Int) -> Int {
            min(Int((Double(i) / Double(count) * Double(configuration.steps)).rounded()), configuration.steps - 1)
        }
        let steps = euler.steps.enumerated().map { i, step in
            Step(
                timestep: timestep(i + 1), predictX: step.predictX, predictOutput: step.predictOutput,
                meanX0: step.meanX0, meanX: step.meanX, noise: .none, again: timestep(i))
        }
        return SamplerTable(steps: steps, predictsImage: false)
    }
}
