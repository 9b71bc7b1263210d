import Compute
import Jobs

/// Which sample stands where: a pure function of (seed, step), the same for every number of ranks.
///
/// The global batch is cut into `virtualRanks` of equal size, a shard into microbatches; a microbatch never
/// crosses a shard. Rank r of R computes the r-th R-th of the shards.
public struct BatchPlan: Sendable {
    public let globalBatch: Int
    public let virtualRanks: Int
    public let microbatch: Int
    private let seed: UInt64
    private let sampleCount: Int
    private let shuffle: Bool

    public init(_ job: JobConfiguration, sampleCount: Int) {
        precondition(sampleCount > 0, "a data set without samples")
        globalBatch = job.training.globalBatch
        virtualRanks = job.training.virtualRanks
        microbatch = job.training.microbatchSize
        seed = TrainingRandom(seed: job.run.seed).seed
        shuffle = job.data.shuffle
        self.sampleCount = sampleCount
    }

    public var shardSize: Int { globalBatch / virtualRanks }

    /// Shards of one rank.
    public func shards(rank: Int, of ranks: Int) -> Range<Int> {
        let each = virtualRanks / ranks
        return rank * each..<(rank + 1) * each
    }

    /// Places in the global batch that a shard holds.
    public func places(shard: Int) -> Range<Int> { shard * shardSize..<(shard + 1) * shardSize }

    /// The microbatches of a shard, as places in the global batch.
    public func microbatches(shard: Int) -> [Range<Int>] {
        let places = places(shard: shard)
        return stride(from: places.lowerBound, to: places.upperBound, by: microbatch).map {
            $0..<min($0 + microbatch, places.upperBound)
        }
    }

    /// Indices of the samples at some places of the batch of a step, counted from 0. Every epoch has an order of
    /// its own; a batch may hold the end of one and the start of the next.
    public func samples(step: Int, places: Range<Int>) -> [Int] {
        var epoch = -1
        var order = IndexPermutation(
            count: sampleCount, seed: seed, purpose: RandomPurpose.permutation.rawValue, epoch: 0)
        return places.map { place in
            let position = step * globalBatch + place
            guard shuffle else { return position % sampleCount }
            if position / sampleCount != epoch {
                epoch = position / sampleCount
                order = IndexPermutation(
                    count: sampleCount, seed: seed, purpose: RandomPurpose.permutation.rawValue, epoch: epoch)
            }
            return order[position % sampleCount]
        }
    }

    /// Epochs begun before a step, as a fraction of passes over the data.
    public func epochs(step: Int) -> Double { Double(step) * Double(globalBatch) / Double(sampleCount) }
}
