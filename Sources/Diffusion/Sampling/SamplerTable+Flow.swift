extension SamplerTable {
    /// Euler steps of equal length along a learned velocity (rectified flow, arXiv 2209.03003, section 2.1): the next x
    /// is x + output / steps. What is "predicted" is the velocity, and no noise is added.
    static func flow(
        _ configuration: DiffusionConfiguration, respacing: String, kind: SamplerKind = .flow
    ) throws -> SamplerTable {
        guard configuration.target == .flow else {
            throw DiffusionError(
                "sampler \(kind.rawValue) needs a network that predicts a velocity, and this one predicts "
                    + "\(configuration.target.rawValue); choose ddpm or ddim")
        }
        let timesteps = try Respacing.timesteps(total: configuration.steps, respacing)
        let length = 1 / Double(timesteps.count)
        let steps = timesteps.map {
            Step(timestep: $0, predictX: 0, predictOutput: 1, meanX0: length, meanX: 1, noise: .none)
        }
        return SamplerTable(steps: steps, predictsImage: false)
    }
}
