import Compute

/// A source in another order, so that shards and chunks hold samples of all kinds.
///
/// The order is a pure function of the seed and the number of samples.
public struct ShuffledSource: PackSource {
    private let source: any PackSource
    private let order: IndexPermutation?
    private let seed: UInt64

    public init(_ source: any PackSource, seed: UInt64) {
        (self.source, self.seed) = (source, seed)
        order =
            source.count > 0
            ? IndexPermutation(count: source.count, seed: seed, purpose: RandomPurpose.packing.rawValue, epoch: 0) : nil
    }

    public var count: Int { source.count }
    public var channels: Int { source.channels }
    public var side: Int { source.side }
    public var type: PackedType { source.type }
    public var content: String { source.content }
    public var labels: DatasetLabels { source.labels }
    public var labelNames: [String]? { source.labelNames }
    public var scaling: (scale: Double, shift: Double) { source.scaling }
    public var identity: String { "\(source.identity), shuffled by \(seed)" }
    public var latents: LatentScaling? { source.latents }
    public func sample(at index: Int) throws -> PackedSample { try source.sample(at: order?[index] ?? index) }
}
