import Glibc

/// What the variational bound says about images: bits that a model needs for a value of one, at most (Nichol & Dhariwal,
/// arXiv 2102.09672, section 3; Ho et al., arXiv 2006.11239, eq. 5).
///
/// The bound of an image is the sum of `term` over all indices, plus `prior`. Images are taken for 8-bit values in [-1, 1];
/// where they are latents, the sum is that of their own values and compares with nothing else. Pure, and threads may share
/// it.
public struct BitsPerDimension: Sendable {
    private let channels: Int
    private let pixels: Int
    private let schedule: NoiseSchedule
    private let bound: VariationalBound
    private let target: DiffusionConfiguration.Target
    private let clip: Bool

    /// Number of terms.
    public var count: Int { schedule.count }

    /// The training step of an index, which is what the network sees.
    public func originalTimestep(at index: Int) -> Int { schedule.timesteps[index] }

    /// What one step says about one image.
    public struct Term: Equatable, Sendable {
        /// Of the bound, in bits a dimension.
        public let bits: Double
        /// Mean squared errors of the predicted image, and of the noise that follows from it.
        public let squaredErrorOfX0, squaredErrorOfNoise: Double
    }

    /// - Parameters:
    ///   - learnSigma: whether the network's second half of channels interpolates the log-variance.
    ///   - channels, pixels: of one (latent) image.
    ///   - respacing: see `Respacing.timesteps`; the bound of a process of fewer steps is another.
    ///   - clip: whether predicted images are clipped to [-1, 1].
    /// - Throws: `DiffusionError` for a flow, which has no such bound, and for what contradicts itself.
    public init(
        _ configuration: DiffusionConfiguration, learnSigma: Bool, channels: Int, pixels: Int, respacing: String = "",
        clip: Bool = true
    ) throws {
        guard configuration.target != .flow else {
            throw DiffusionError("a flow has no variational bound; bits a dimension are told of targets eps, v and x0")
        }
        try configuration.requireComputable(learnSigma: learnSigma, sampling: true)
        precondition(channels > 0 && pixels > 0, "an image of \(channels) channels and \(pixels) pixels")
        self.channels = channels
        self.pixels = pixels
        schedule = try NoiseSchedule(configuration, respacing: respacing)
        bound = VariationalBound(schedule, configuration, learnSigma: learnSigma)
        target = configuration.target
        self.clip = clip
    }

    /// Noises one image to the level of an index (arXiv 2006.11239, eq. 4).
    ///
    /// - Parameters:
    ///   - x0, noise: the image and standard normal noise, each [channels, pixels].
    ///   - xt: [channels, pixels].
    public func addNoise(
        x0: UnsafePointer<Float>, noise: UnsafePointer<Float>, index: Int, into xt: UnsafeMutablePointer<Float>
    ) {
        let (ofX0, ofNoise) = levels(index)
        for i in 0..<channels * pixels { xt[i] = Float(ofX0 * Double(x0[i]) + ofNoise * Double(noise[i])) }
    }

    /// The bound's term of an index.
    ///
    /// - Parameter output: of the network for what `addNoise` made, [channels, pixels], or twice as many channels where
    ///   variances are learned.
    public func term(
        output: UnsafePointer<Float>, x0: UnsafePointer<Float>, noise: UnsafePointer<Float>, index: Int
    ) -> Term {
        let (signal, deviation) = levels(index)
        let (targetX0, targetNoise): (Double, Double) =
            switch target {
            case .eps: (0, 1)
            case .x0, .flow: (1, 0)
            case .v: (-deviation, signal)
            }
        let (bits, squares) = bound.measure(
            output: output, x0: x0, noise: noise, t: index, count: channels * pixels, targetX0: targetX0,
            targetNoise: targetNoise, clip: clip)
        // noise = (x_t - sqrt(a) x0) / sqrt(1 - a)
        let a = schedule.alphasCumprod[index]
        return Term(bits: bits, squaredErrorOfX0: squares, squaredErrorOfNoise: a / (1 - a) * squares)
    }

    /// KL(q(x_T | x0) || N(0, 1)), in bits a dimension: what no training changes.
    ///
    /// - Parameter x0: [channels, pixels]
    public func prior(x0: UnsafePointer<Float>) -> Double {
        let a = schedule.alphasCumprod[count - 1]
        var sum = 0.0
        for i in 0..<channels * pixels {
            let mean = a.squareRoot() * Double(x0[i])
            sum += 0.5 * (-1 - log(1 - a) + (1 - a) + mean * mean)
        }
        return sum / (Double(channels * pixels) * VariationalBound.natsPerBit)
    }

    private func levels(_ index: Int) -> (signal: Double, deviation: Double) {
        let a = schedule.alphasCumprod[index]
        return (a.squareRoot(), (1 - a).squareRoot())
    }
}
