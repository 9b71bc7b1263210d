/// What noise does and what the network predicts: the one value from which schedule and objective follow.
///
/// Limits stand with what they limit, and jobs read them there: `stepsLimit` here, `Sampler.etaLimit`,
/// `Guidance.scaleLimit` and `IterationAllocation.iterationsLimit`. The choices that a job has are the cases of the
/// enums of this module.
public struct DiffusionConfiguration: Equatable, Sendable {
    /// How the noise grows.
    public enum Schedule: String, CaseIterable, Sendable {
        /// Ho et al. (arXiv 2006.11239): betas from 1e-4 to 0.02 over 1,000 steps.
        case linear
        /// Nichol & Dhariwal (arXiv 2102.09672, eq. 17).
        case cosine
    }

    /// What the network predicts.
    public enum Target: String, CaseIterable, Sendable {
        /// The noise.
        case eps
        /// sqrt(alpha) noise - sqrt(1 - alpha) x0 (Salimans & Ho, arXiv 2202.00512).
        case v
        /// The clean image.
        case x0
        /// The velocity x0 - noise of a straight path (rectified flow, arXiv 2209.03003).
        case flow
    }

    /// Weight of the squared error of x0, used with target v only. `snrPlusOne` is the plain error of v.
    public enum Weighting: String, CaseIterable, Sendable {
        case p2
        case snrPlusOne = "snr+1"
        case snr
        case sqrtSNR = "sqrt_snr"
        case truncatedSNR = "truncated_snr"
        /// Hang et al. (arXiv 2303.09556) with gamma 5.
        case minSNR5 = "min_snr_5"
    }

    /// What is made small (Nichol & Dhariwal, arXiv 2102.09672, section 3). The bound is the variational bound's term of
    /// a sample's step, in bits a dimension.
    public enum Loss: String, CaseIterable, Sendable {
        /// The squared error; with learned variances plus the bound, which then trains the variances alone.
        case mse
        /// The same, with the bound times steps / 1000.
        case rescaledMSE = "rescaled_mse"
        /// The bound alone, which trains the mean, too.
        case kl
        /// The same times steps: an estimate of the whole bound.
        case rescaledKL = "rescaled_kl"

        /// Whether the bound is all that is trained.
        public var isBound: Bool { self == .kl || self == .rescaledKL }
    }

    /// The variance of a reverse step where the network learns none (Ho et al., arXiv 2006.11239, section 3.2).
    public enum FixedVariance: String, CaseIterable, Sendable {
        /// beta.
        case large
        /// That of q(x_{t-1} | x_t, x0).
        case small
    }

    /// What `steps` may be. A single level is no process; the upper end is far beyond use, and keeps tables small
    /// beside a network. The linear schedule needs more than the lower end (`problems`).
    public static let stepsLimit = 2...1_000_000

    public var schedule = Schedule.linear
    /// Number of noise levels, T in the papers; within `stepsLimit`.
    public var steps = 1000
    /// Rescales the schedule so that the last step holds no signal (Lin et al., arXiv 2305.08891, algorithm 1).
    public var zeroTerminalSNR = false
    public var target = Target.eps
    public var weighting = Weighting.snrPlusOne
    public var loss = Loss.mse
    public var fixedVariance = FixedVariance.large

    public init() {}
}
