/// What a network is: the one value from which its parameters, its memory and its arithmetic follow.
///
/// DiT as in Peebles & Xie (arXiv 2212.09748); FPDM as in Bai & Melas-Kyriazi (arXiv 2401.08741), whose
/// fixed-point block takes the place of the middle of a DiT.
public struct ModelConfiguration: Equatable, Hashable, Sendable {
    /// What an image is conditioned on besides the timestep.
    public enum Conditioning: String, CaseIterable, Sendable {
        /// An integer label in 0 ..< `classes`; index `classes` is the null class.
        case classes
        /// A vector of `classes` floats, multiplied by 0 when dropped.
        case continuous
        /// Nothing.
        case none
    }

    /// Side of the (latent) image in pixels.
    public var imageSize = 32
    public var channels = 4
    public var patchSize = 2
    /// D, a multiple of 4 (sine-cosine positions) and of `heads`.
    public var width = 384
    /// Blocks of a DiT; an FPDM ignores it.
    public var depth = 12
    public var heads = 6
    /// Hidden width of the MLP over `width`.
    public var mlpRatio = 4.0
    public var conditioning = Conditioning.classes
    /// Number of classes, or length of a continuous label vector.
    public var classes = 1000
    /// Whether a second half of output channels interpolates the log-variance (arXiv 2102.09672).
    public var learnSigma = true
    /// FPDM rather than DiT.
    public var fixedPoint = false
    /// Blocks before and after the fixed point.
    public var preDepth = 1
    public var postDepth = 1
    /// Whether the blocks around the fixed point and the final layer see the timestep, or the label only.
    public var prePostTimestepConditioning = false

    public init() {}

    /// T, the number of tokens: one for each patch.
    public var tokens: Int { (imageSize / patchSize) * (imageSize / patchSize) }
    /// F, the hidden width of the MLP.
    public var mlpWidth: Int { Int(Double(width) * mlpRatio) }
    public var headWidth: Int { width / heads }
    public var outputChannels: Int { learnSigma ? 2 * channels : channels }
    /// Values of one token before embedding, and after the final layer.
    public var patchValues: Int { patchSize * patchSize * channels }
    public var outputPatchValues: Int { patchSize * patchSize * outputChannels }
    /// Values of one image.
    public var imageValues: Int { channels * imageSize * imageSize }
    public var outputValues: Int { outputChannels * imageSize * imageSize }

    /// The same network, with what it ignores at its default: equal for equal networks.
    public var withoutIgnored: ModelConfiguration {
        let standard = ModelConfiguration()
        var own = self
        if fixedPoint {
            own.depth = standard.depth
        } else {
            (own.preDepth, own.postDepth) = (standard.preDepth, standard.postDepth)
            own.prePostTimestepConditioning = standard.prePostTimestepConditioning
        }
        if conditioning == .none { own.classes = standard.classes }
        return own
    }
}
