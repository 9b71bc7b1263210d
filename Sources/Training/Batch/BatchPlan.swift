import Compute
import Datasets
import Jobs

/// Which sample stands where: a pure function of (seed, step), the same for every number of ranks.
///
/// The global batch is cut into `training.virtualRanks` of equal size (the virtual nodes of Or et al., "VirtualFlow",
/// arXiv 2009.09523), a virtual rank into microbatches; a microbatch never crosses a virtual rank. Ranks take
/// contiguous, nearly equal ranges of virtual ranks.
public struct BatchPlan: Sendable {
    public let globalBatch: Int
    public let virtualRanks: Int
    public let microbatch: Int
    private let seed: UInt64
    private let sampleCount: Int
    private let shuffle: JobConfiguration.Data.Shuffle
    /// A stream of samples for each virtual rank; nil where samples go by their position in the global batch.
    public let order: SampleOrder?

    /// - Parameter layout: of the data set; only shuffle `window` looks at more of it than the number of samples.
    public init(_ job: ResolvedJob, _ layout: ChunkLayout) {
        globalBatch = job.training.globalBatch
        virtualRanks = job.training.virtualRanks
        microbatch = job.microbatchSize
        seed = TrainingRandom(seed: job.run.seed).seed
        shuffle = job.shuffle
        sampleCount = layout.sampleCount
        order =
            job.shuffle == .window
            ? SampleOrder(layout, streams: virtualRanks, window: job.data.window, seed: seed) : nil
    }

    /// Samples of a virtual rank.
    public var virtualRankSize: Int { globalBatch / virtualRanks }

    /// Virtual ranks of one rank.
    public func virtualRanks(of rank: Int, ranks: Int) -> Range<Int> {
        Self.virtualRanks(virtualRanks, of: rank, ranks: ranks)
    }

    /// Those of `count` virtual ranks that belong to one rank: the first ranks have one more where the count does not divide.
    public static func virtualRanks(_ count: Int, of rank: Int, ranks: Int) -> Range<Int> {
        precondition(ranks >= 1 && ranks <= count, "\(ranks) ranks for \(count) virtual ranks")
        let (least, more) = (count / ranks, count % ranks)
        let first = rank * least + min(rank, more)
        return first..<first + least + (rank < more ? 1 : 0)
    }

    /// The rank that computes a virtual rank.
    public func rank(of virtualRank: Int, ranks: Int) -> Int {
        (0..<ranks).first { virtualRanks(of: $0, ranks: ranks).contains(virtualRank) } ?? 0
    }

    /// The virtual rank that a position belongs to.
    public func virtualRank(of position: Int) -> Int { position / virtualRankSize }

    /// Positions in the global batch that some virtual ranks hold.
    public func positions(_ virtualRanks: Range<Int>) -> Range<Int> {
        virtualRanks.lowerBound * virtualRankSize..<virtualRanks.upperBound * virtualRankSize
    }

    /// The microbatches of a virtual rank, as positions in the global batch.
    public func microbatches(_ virtualRank: Int) -> [Range<Int>] {
        let positions = positions(virtualRank..<virtualRank + 1)
        return stride(from: positions.lowerBound, to: positions.upperBound, by: microbatch).map {
            $0..<min($0 + microbatch, positions.upperBound)
        }
    }

    /// Positions of a virtual rank's stream that some steps, counted from 0, take.
    public func streamPositions(_ steps: Range<Int>) -> Range<Int> {
        steps.lowerBound * virtualRankSize..<steps.upperBound * virtualRankSize
    }

    /// Indices of the samples at some positions of the batch of a step, counted from 0. Every epoch has an order of
    /// its own, unless there is no shuffling; a batch may hold the end of one and the start of the next.
    public func samples(step: Int, positions: Range<Int>) -> [Int] {
        if let order {
            return positions.map { position in
                let (stream, place) = position.quotientAndRemainder(dividingBy: virtualRankSize)
                return order.sample(ofStream: stream, at: step * virtualRankSize + place)
            }
        }
        var epoch = -1
        var order = IndexPermutation(
            count: sampleCount, seed: seed, purpose: RandomPurpose.permutation.rawValue, epoch: 0)
        return positions.map { position in
            let index = step * globalBatch + position
            guard shuffle == .full else { return index % sampleCount }
            if index / sampleCount != epoch {
                epoch = index / sampleCount
                order = IndexPermutation(
                    count: sampleCount, seed: seed, purpose: RandomPurpose.permutation.rawValue, epoch: epoch)
            }
            return order[index % sampleCount]
        }
    }

    /// Epochs begun before a step, as a fraction of passes over the data.
    public func epochs(step: Int) -> Double { Double(step) * Double(globalBatch) / Double(sampleCount) }
}
