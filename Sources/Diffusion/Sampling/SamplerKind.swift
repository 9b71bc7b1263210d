/// How a sampler steps from one noise level to the next.
///
/// A sampler is a case here, its line in `table`, and a file `SamplerTable+NAME.swift` that makes its table.
public enum SamplerKind: String, CaseIterable, Sendable {
    /// Ancestral sampling (arXiv 2006.11239, algorithm 2).
    case ddpm
    /// Denoising diffusion implicit models (arXiv 2010.02502, eq. 12).
    case ddim
    /// Euler steps along a learned velocity (arXiv 2209.03003); goes with target flow, and only with it.
    case flow
    /// Heun's steps along a learned velocity, with two evaluations each (arXiv 2206.00364, algorithm 1); goes with target
    /// flow, and only with it.
    case heun

    /// Whether it follows a velocity, which target flow learns, rather than predicted images.
    public var followsVelocity: Bool { self == .flow || self == .heun }

    /// This sampler's steps.
    ///
    /// - Parameters: as those of `Sampler`; a kind ignores what it has no use for.
    /// - Throws: `DiffusionError` for a bad respacing, or a target that this kind cannot follow.
    func table(
        _ configuration: DiffusionConfiguration, learnSigma: Bool, respacing: String, eta: Double
    ) throws -> SamplerTable {
        switch self {
        case .ddpm: try .ddpm(configuration, learnSigma: learnSigma, respacing: respacing)
        case .ddim: try .ddim(configuration, respacing: respacing, eta: eta)
        case .flow: try .flow(configuration, respacing: respacing)
        case .heun: try .heun(configuration, respacing: respacing)
        }
    }
}
