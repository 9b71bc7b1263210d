import Compute
import Datasets
import Distributed
import Jobs
import Model

/// The loss on a held-out data set, the same at any number of ranks.
///
/// The first `validation.batches` global batches of the set, in its order, each sample once at most; timestep and noise
/// of a sample depend on its place alone, so that values of different steps compare. The weights are those that are
/// trained, and an FPDM iterates as often as in sampling.
public final class Validation {
    private let job: ResolvedJob
    private let dataset: ShardedDataset
    private let communicator: Communicator
    private let random: TrainingRandom
    /// Positions 0 ..< count, in microbatches that no number of ranks changes: of whole groups from the first position
    /// on, so that their size changes no bits.
    private let microbatches: [Range<Int>]
    private let samples: SampleBatch
    private let count: Int

    /// - Parameter dataset: which fits the job's model.
    init(_ job: ResolvedJob, dataset: ShardedDataset, communicator: Communicator) {
        self.job = job
        self.dataset = dataset
        self.communicator = communicator
        random = TrainingRandom(seed: job.run.seed)
        count = min(dataset.count, job.validation.batches * job.training.globalBatch)
        let (group, most) = (job.model.cut.groupSamples, job.microbatchSize)
        let size = most > group ? most / group * group : most
        let count = count
        microbatches = stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
        samples = SampleBatch(dataset, count: min(size, count))
    }

    /// The mean loss. Collective.
    ///
    /// - Parameter isStopped: asked between microbatches, whether this rank is to leave the rest out.
    /// - Returns: nil where any rank did.
    /// - Throws: `RankFailure`, on all ranks alike, when any cannot read its samples.
    func loss(
        _ accumulator: BatchAccumulator, weights: FloatBuffer, unless isStopped: () -> Bool
    ) throws -> Double? {
        var losses = [Double](repeating: -.infinity, count: count)
        let iterations = Iterations(withoutGradient: job.sampling.iterations, withGradient: 0)
        accumulator.load(weights)
        try communicator.agree {
            for (index, positions) in microbatches.enumerated() where index % communicator.size == communicator.rank {
                if isStopped() { break }
                try samples.read(dataset, Array(positions))
                let values = accumulator.losses(
                    samples, positions, first: positions.lowerBound, random: random, iterations: iterations)
                for value in values {
                    let loss = value.mse + value.vb
                    losses[value.position] = loss.isFinite ? loss : .infinity
                }
            }
        }
        // A maximum with minus infinity, as in `StepVote`: every loss to the bit, then summed in the order of positions.
        try losses.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .max) }
        // What no rank computed is still minus infinity.
        return losses.contains(-.infinity) ? nil : losses.reduce(0, +) / Double(count)
    }
}
