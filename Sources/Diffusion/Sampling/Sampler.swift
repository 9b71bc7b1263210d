/// A reverse process: from noise to an image in `count` steps, from index `count - 1` down to 0.
///
/// A step is pure and allocates nothing; each value is computed in double. Everything that depends on the step alone
/// is tabulated (`SamplerTable`).
public struct Sampler: Sendable {
    /// What `eta` may be: from no noise to as much as ancestral sampling adds (arXiv 2010.02502, eq. 16).
    public static let etaLimit = 0.0...1.0

    public let kind: SamplerKind
    let channels: Int
    let pixels: Int
    let table: SamplerTable
    /// Predictions are clipped to [-clippingLimit, clippingLimit].
    let clippingLimit: Double

    /// Number of steps.
    public var count: Int { table.steps.count }

    /// The training step at an index, which is what the network sees.
    public func originalTimestep(at index: Int) -> Int { table.steps[index].timestep }

    /// The training step at which the network is asked a second time in the step from an index, of the x that `step` has
    /// made; nil where once is enough.
    public func secondTimestep(at index: Int) -> Int? { table.steps[index].again }

    /// Evaluations of the network in the step from an index.
    public func evaluations(at index: Int) -> Int { table.steps[index].again == nil ? 1 : 2 }

    /// Whether the step from an index adds noise.
    public func usesNoise(at index: Int) -> Bool {
        switch table.steps[index].noise {
        case .none: false
        case .scaled, .learned: true
        }
    }

    /// - Parameters:
    ///   - learnSigma: whether the network's second half of channels interpolates the log-variance.
    ///   - channels, pixels: of one (latent) image.
    ///   - respacing: see `Respacing.timesteps`.
    ///   - eta: share of the ancestral noise that DDIM adds, within `etaLimit`; others ignore it.
    ///   - clipDenoised: whether predicted images are clipped to [-1, 1]; flow, which predicts none, ignores it.
    /// - Throws: `DiffusionError` with a remedy for a bad respacing, eta, or pair of target and kind.
    public init(
        _ configuration: DiffusionConfiguration, learnSigma: Bool, channels: Int, pixels: Int, kind: SamplerKind,
        respacing: String = "", eta: Double = 0, clipDenoised: Bool = false
    ) throws {
        try configuration.requireComputable(learnSigma: learnSigma, sampling: true)
        precondition(channels > 0 && pixels > 0, "an image of \(channels) channels and \(pixels) pixels")
        guard Self.etaLimit.contains(eta) else {
            throw DiffusionError("eta \(eta) is outside \(Self.etaLimit); 0 adds no noise, 1 as much as ddpm")
        }
        self.kind = kind
        self.channels = channels
        self.pixels = pixels
        table = try kind.table(configuration, learnSigma: learnSigma, respacing: respacing, eta: eta)
        clippingLimit = clipDenoised && table.predictsImage ? 1 : .infinity
    }
}
