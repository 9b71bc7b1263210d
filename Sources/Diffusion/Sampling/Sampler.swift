import Glibc

/// A reverse process: from noise to an image in `count` steps, from index `count - 1` down to 0.
///
/// A step is pure and allocates nothing; each value is computed in double. Everything that depends on the step alone
/// is tabulated: x0 is predicted as `predictX * x + predictOutput * output`, and the next x is
/// `meanX0 * x0 + meanX * x + noiseScale * noise`.
public struct Sampler: Sendable {
    public let kind: SamplerKind
    public let channels: Int
    public let pixels: Int
    public let outputChannels: Int

    let timesteps: [Int]
    let clipDenoised: Bool
    /// Log-variances between which the second half of output channels interpolates; nil where they are not used.
    let learnedLogVariances: (smallest: [Double], largest: [Double])?
    let predictX: [Double]
    let predictOutput: [Double]
    let meanX0: [Double]
    let meanX: [Double]
    let noiseScale: [Double]

    /// Number of steps.
    public var count: Int { timesteps.count }

    /// The training step at an index, which is what the network sees.
    public func originalTimestep(at index: Int) -> Int { timesteps[index] }

    /// Whether the step from an index adds noise.
    public func usesNoise(at index: Int) -> Bool {
        index > 0 && (learnedLogVariances != nil || noiseScale[index] > 0)
    }

    /// - Parameters:
    ///   - learnSigma: whether the network's second half of channels interpolates the log-variance.
    ///   - channels, pixels: of one (latent) image.
    ///   - respacing: see `Respacing.timesteps`.
    ///   - eta: share of the ancestral noise that DDIM adds, 0 to 1 (arXiv 2010.02502, eq. 16); others ignore it.
    ///   - clipDenoised: whether predicted images are clipped to [-1, 1]; flow ignores it.
    /// - Throws: `DiffusionError` with a remedy for a bad respacing, eta, or pair of target and kind.
    public init(
        _ configuration: DiffusionConfiguration, learnSigma: Bool, channels: Int, pixels: Int, kind: SamplerKind,
        respacing: String = "", eta: Double = 0, clipDenoised: Bool = false
    ) throws {
        try configuration.requireComputable(learnSigma: learnSigma, sampling: true)
        precondition(channels > 0 && pixels > 0, "an image of \(channels) channels and \(pixels) pixels")
        guard (kind == .flow) == (configuration.target == .flow) else {
            throw DiffusionError(
                kind == .flow
                    ? "sampler flow needs a network that predicts a velocity, and this one predicts "
                        + "\(configuration.target.rawValue); choose ddpm or ddim"
                    : "sampler \(kind.rawValue) cannot follow a velocity, which this network predicts; choose flow")
        }
        guard eta >= 0 && eta <= 1 else {
            throw DiffusionError("eta \(eta) is outside 0...1; 0 adds no noise, 1 as much as ddpm")
        }
        self.kind = kind
        self.channels = channels
        self.pixels = pixels
        self.clipDenoised = clipDenoised
        outputChannels = learnSigma ? 2 * channels : channels

        guard kind != .flow else {
            timesteps = try Respacing.timesteps(total: configuration.steps, respacing)
            let zeros = [Double](repeating: 0, count: timesteps.count)
            // x + output / steps: the "prediction" is the output, and no clipping.
            let step = 1 / Double(timesteps.count)
            (predictX, predictOutput) = (zeros, zeros.map { _ in 1 })
            (meanX0, meanX, noiseScale) = (zeros.map { _ in step }, zeros.map { _ in 1 }, zeros)
            learnedLogVariances = nil
            return
        }

        let schedule = try NoiseSchedule(configuration, respacing: respacing)
        timesteps = schedule.timesteps
        let levels = schedule.alphasCumprod
        switch configuration.target {
        case .eps:
            predictX = levels.map { (1 / $0).squareRoot() }
            predictOutput = levels.map { -(1 / $0 - 1).squareRoot() }
        case .v:
            predictX = levels.map { $0.squareRoot() }
            predictOutput = levels.map { -(1 - $0).squareRoot() }
        case .x0, .flow:
            predictX = levels.map { _ in 0 }
            predictOutput = levels.map { _ in 1 }
        }
        if kind == .ddim {
            let steps = schedule.timesteps.indices.map { ImplicitStep(schedule, index: $0, eta: eta) }
            meanX0 = steps.map(\.ofX0)
            meanX = steps.map(\.ofX)
            noiseScale = steps.map(\.ofNoise)
            learnedLogVariances = nil
        } else {
            meanX0 = schedule.posteriorX0
            meanX = schedule.posteriorXt
            noiseScale = schedule.fixedLargeLogVariance.enumerated().map { $0.offset == 0 ? 0 : exp(0.5 * $0.element) }
            learnedLogVariances = learnSigma ? (schedule.posteriorLogVariance, schedule.logBetas) : nil
        }
    }
}

/// One DDIM step (arXiv 2010.02502, eq. 12): sqrt(a') x0 + sqrt(1 - a' - sigma^2) eps + sigma noise, where a' is
/// alphasCumprod of the index before and eps = (x - sqrt(a) x0) / sqrt(1 - a). This form of eps divides by no signal:
/// at zero terminal SNR (a = 0) it is x itself, which is also what a prediction of v says there.
private struct ImplicitStep {
    let ofX0: Double
    let ofX: Double
    let ofNoise: Double

    init(_ schedule: NoiseSchedule, index: Int, eta: Double) {
        let a = schedule.alphasCumprod[index]
        let previous = schedule.alphasCumprodPrevious[index]
        // Eq. 16. At index 0 the previous level has no noise, so that sigma is 0.
        let sigma = eta * ((1 - previous) / (1 - a)).squareRoot() * (1 - a / previous).squareRoot()
        let direction = max(1 - previous - sigma * sigma, 0).squareRoot() / (1 - a).squareRoot()
        ofX0 = previous.squareRoot() - direction * a.squareRoot()
        ofX = direction
        ofNoise = sigma
    }
}
