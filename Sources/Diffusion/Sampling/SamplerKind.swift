/// How a sampler steps from one noise level to the next.
public enum SamplerKind: String, CaseIterable, Sendable {
    /// Ancestral sampling (arXiv 2006.11239, algorithm 2).
    case ddpm
    /// Denoising diffusion implicit models (arXiv 2010.02502, eq. 12).
    case ddim
    /// Euler steps along a learned velocity (arXiv 2209.03003); goes with target flow, and only with it.
    case flow
}
