/// A factor and an offset for each sample and channel, and SiLU behind them: a group norm (arXiv 1803.08494) as whoever
/// reads the map next applies it, value by value.
public struct ChannelNorm: Sendable {
    /// [samples, channels]
    let factors: [Float]
    let offsets: [Float]
    let channels: Int
    let appliesSiLU: Bool

    /// - Parameters:
    ///   - map: whose sums are known. Each sample's channels are normalised in `groups` of neighbours, each over all its pixels.
    ///   - scale, shift: [channels], after normalising.
    public init(
        _ map: FeatureMap, groups: Int, epsilon: Double, scale: FloatBuffer, shift: FloatBuffer, appliesSiLU: Bool
    ) {
        let channels = map.channels
        self.channels = channels
        self.appliesSiLU = appliesSiLU
        precondition(channels % groups == 0 && scale.count == channels, "groups of equal size")
        precondition(map.sums.count == 2 * map.samples * channels, "a map whose sums are not known")
        let width = channels / groups
        let count = Double(width * map.pixels)
        var factors = [Float](repeating: 0, count: map.samples * channels)
        var offsets = factors
        for sample in 0..<map.samples {
            for group in 0..<groups {
                let own = group * width..<(group + 1) * width
                let sums = sample * 2 * channels
                let mean = own.reduce(0) { $0 + map.sums[sums + $1] } / count
                let square = own.reduce(0) { $0 + map.sums[sums + channels + $1] } / count
                let reciprocal = 1 / (max(square - mean * mean, 0) + epsilon).squareRoot()
                for channel in own {
                    let factor = Double(scale[channel]) * reciprocal
                    factors[sample * channels + channel] = Float(factor)
                    offsets[sample * channels + channel] = Float(Double(shift[channel]) - mean * factor)
                }
            }
        }
        (self.factors, self.offsets) = (factors, offsets)
    }

    /// Normalised pixels of one sample.
    ///
    /// - Parameter bytes: of a pixel where they go.
    func apply<E: StoredElement>(
        _: E.Type, _ source: UnsafePointer<Float>, into target: UnsafeMutableRawPointer, bytes: Int, pixels: Int,
        sample: Int
    ) {
        factors.withUnsafeBufferPointer { factors in
            offsets.withUnsafeBufferPointer { offsets in
                guard let factor = factors.baseAddress, let offset = offsets.baseAddress else { return }
                let (a, b) = (factor + sample * channels, offset + sample * channels)
                for pixel in 0..<pixels {
                    let (x, y) = (source + pixel * channels, target + pixel * bytes)
                    for (i, n) in vectors(channels) {
                        let v = multiplyAdd(load(x + i, n), load(a + i, n), load(b + i, n))
                        E.store(appliesSiLU ? v / (Vector(repeating: 1) + exponentialOf(-v)) : v, y, i, n)
                    }
                }
            }
        }
    }
}
