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
}

extension ModelConfiguration {
    /// What makes this network impossible, each with its remedy; empty when it can be built.
    /// The field comes first, named as in a job's `model` section.
    public var problems: [(field: String, message: String)] {
        var found: [(String, String)] = []
        func check(_ holds: Bool, _ field: String, _ message: @autoclosure () -> String) {
            if !holds { found.append((field, message())) }
        }
        // Upper limits are far beyond use; they keep sizes computed from them within an Int.
        func checkCount(_ value: Int, _ field: String, upTo most: Int) {
            check(value > 0 && value <= most, field, "must be from 1 to \(most), is \(value)")
        }
        checkCount(imageSize, "imageSize", upTo: 16_384)
        checkCount(channels, "channels", upTo: 4_096)
        check(width <= 65_536, "width", "must be at most 65536, is \(width)")
        check(patchSize > 0, "patchSize", "must be positive")
        check(width > 0 && width % 4 == 0, "width", "must be a positive multiple of 4, is \(width)")
        check(heads > 0, "heads", "must be positive")
        if !(mlpRatio > 0 && mlpRatio <= 64) {
            check(false, "mlpRatio", "must be more than 0 and at most 64, is \(mlpRatio)")
        } else {
            check(
                mlpWidth > 0, "mlpRatio",
                "\(mlpRatio) of the width \(width) leaves no hidden layer; choose a larger one")
        }
        if imageSize > 0, patchSize > 0 {
            check(
                imageSize % patchSize == 0, "patchSize",
                "\(patchSize) does not divide the image side \(imageSize); choose a divisor")
        }
        if width > 0, heads > 0 {
            check(width % heads == 0, "heads", "\(heads) heads do not divide the width \(width); choose a divisor")
        }
        if conditioning != .none {
            check(
                classes > 0 && classes <= 100_000_000, "classes",
                "must be from 1 to 100000000, is \(classes); for no labels set conditioning: none")
        }
        if fixedPoint {
            check(0...10_000 ~= preDepth, "preDepth", "must be from 0 to 10000, is \(preDepth)")
            check(0...10_000 ~= postDepth, "postDepth", "must be from 0 to 10000, is \(postDepth)")
        } else {
            checkCount(depth, "depth", upTo: 10_000)
        }
        return found
    }
}
