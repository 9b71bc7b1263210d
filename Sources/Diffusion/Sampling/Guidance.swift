/// Classifier-free guidance (Ho & Salimans, arXiv 2207.12598, eq. 6).
public enum Guidance {
    /// The scales that a person may ask for; below 0 images would be led away from their labels.
    public static let scaleLimit: PartialRangeFrom<Double> = 0...

    /// Writes `unconditional + scale * (conditional - unconditional)` for the guided channels of one sample, and the
    /// conditional output for the others.
    ///
    /// - Parameters:
    ///   - conditional, unconditional: the network's outputs [outputChannels, pixels] with the label and without.
    ///   - scale: within `scaleLimit`; 1 gives the conditional output, 0 the unconditional one.
    ///   - guidedChannels: the first so many output channels are guided; variance channels count too, behind the
    ///     image's. Nil guides all `channels`; published DiT results have 3 of 4.
    ///   - channels: channels of the image.
    ///   - result: [outputChannels, pixels]; may be `conditional` itself.
    public static func combine(
        conditional: UnsafePointer<Float>, unconditional: UnsafePointer<Float>, scale: Double,
        guidedChannels: Int? = nil, channels: Int, outputChannels: Int, pixels: Int,
        into result: UnsafeMutablePointer<Float>
    ) {
        let guided = guidedChannels ?? channels
        precondition(
            guided >= 0 && guided <= outputChannels && channels <= outputChannels,
            "cannot guide \(guided) of \(outputChannels) output channels")
        for i in 0..<guided * pixels {
            let u = Double(unconditional[i])
            result[i] = Float(u + scale * (Double(conditional[i]) - u))
        }
        for i in guided * pixels..<outputChannels * pixels { result[i] = conditional[i] }
    }
}

/// Training steps, both ends included, within which guidance acts (arXiv 2404.07724): elsewhere the conditional output is
/// all there is, and the unconditional one is not computed.
public struct GuidanceInterval: Equatable, Hashable, Sendable {
    public var lowest: Int
    public var highest: Int

    public init(_ lowest: Int, _ highest: Int) { (self.lowest, self.highest) = (lowest, highest) }

    public func contains(_ timestep: Int) -> Bool { timestep >= lowest && timestep <= highest }
}
