import Compute
import Datasets
import Diffusion
import Jobs
import Model
import TestSupport
import Testing

@testable import Training

/// Losses of samples with the random values that belong to their positions.
@Suite struct BatchAccumulatorTests {
    private static let step = 5
    private static let batch = 12

    /// An accumulator with its weights, and a step's samples.
    private final class Setup {
        let job: ResolvedJob
        let random: TrainingRandom
        let gradient: FloatBuffer
        private let plan: BatchPlan
        private let dataset: ShardedDataset
        private let accumulator: BatchAccumulator
        private let weights: FloatBuffer
        private let memory = TestMemory()
        private let folder: TestFolder

        init(equal: Bool = false, _ change: (inout JobConfiguration) -> Void = { _ in }) throws {
            var job = JobConfiguration()
            job.model = tinyModel { $0.classes = 7 }
            (job.training.globalBatch, job.training.virtualRanks, job.training.microbatch) = (
                BatchAccumulatorTests.batch, 1, 5
            )
            (job.data.horizontalFlip, job.data.labelDropout) = (true, 0.5)
            change(&job)
            self.job = job.resolved { _ in .keep }
            folder = try TestFolder()
            let path = folder("set")
            var source = MadeUpSource(count: 23, channels: 2, side: 4, scaling: (1.0 / 128, -1))
            if equal {
                source.change = { $1 = PackedSample(values: .bytes((0..<32).map { 8 * $0 }), label: .class(3)) }
            }
            try DatasetWriter.write(source, to: path, shards: 2)
            dataset = try ShardedDataset(path: path)
            plan = BatchPlan(self.job, dataset.layout)
            random = TrainingRandom(seed: job.run.seed)
            accumulator = try BatchAccumulator(self.job, engine: try Engine(threads: 2))
            weights = memory.floats(testWeights(accumulator.table))
            accumulator.load(weights)
            gradient = memory.zeros(accumulator.table.flatCount)
        }

        /// Uniform ones, of all positions.
        lazy var choices = random.timesteps(
            TimestepSampler(.uniform, steps: job.diffusion.steps), step: BatchAccumulatorTests.step,
            count: job.training.globalBatch)

        /// The samples that a rank has which computes these positions.
        func samples(_ positions: Range<Int>) throws -> SampleBatch {
            let batch = SampleBatch(dataset, count: positions.count)
            try batch.read(dataset, plan.samples(step: BatchAccumulatorTests.step, positions: positions))
            return batch
        }

        /// (position, mse, vb) of microbatches, from the samples of the positions of all of them.
        func train(_ microbatches: [Range<Int>]) throws -> [[Double]] {
            let positions = (microbatches.first?.lowerBound ?? 0)..<(microbatches.last?.upperBound ?? 0)
            let samples = try samples(positions)
            let before = samples.images.array
            gradient.fill(0)
            let losses = microbatches.flatMap {
                accumulator.accumulate(
                    samples, $0, first: positions.lowerBound, step: BatchAccumulatorTests.step, random: random,
                    choices: choices, iterations: Iterations(withoutGradient: 0, withGradient: 0), into: gradient)
            }
            #expect(samples.images.array == before, "samples are only read")
            return losses.map { [Double($0.position), $0.mse, $0.vb] }
        }

        /// The same without a gradient, of the set's samples in its order.
        func validate(_ microbatches: [Range<Int>]) throws -> [[Double]] {
            try microbatches.flatMap { positions in
                let samples = SampleBatch(dataset, count: positions.count)
                try samples.read(dataset, Array(positions))
                return accumulator.losses(
                    samples, positions, first: positions.lowerBound, random: random,
                    iterations: Iterations(withoutGradient: 0, withGradient: 0))
            }.map { [Double($0.position), $0.mse, $0.vb] }
        }
    }

    @Test func aSamplesLossIsThatOfItsPosition() throws {
        let setup = try Setup()
        let whole = try setup.train([0..<5, 5..<10, 10..<12])
        #expect(whole.map { $0[0] } == (0..<12).map { Double($0) })
        #expect(Set(whole.map { $0[1] }).count == 12)
        let gradient = setup.gradient.array
        // Again, as where a step is redone.
        #expect(try setup.train([0..<5, 5..<10, 10..<12]) == whole)
        expectSameBits(setup.gradient.array, gradient, "gradient")
        // By ranks, and in microbatches of other sizes, in which kernels may add in another order.
        #expect(try setup.train([0..<5]) + setup.train([5..<10, 10..<12]) == whole)
        expectEqual(
            try setup.train([0..<1, 1..<4]) + setup.train([4..<6, 6..<7]) + setup.train([7..<12]), whole)
    }

    /// The same positions, and losses but for the order of additions.
    private func expectEqual(
        _ losses: [[Double]], _ others: [[Double]], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(losses.map { $0[0] } == others.map { $0[0] }, sourceLocation: sourceLocation)
        for (loss, other) in zip(losses, others) {
            let isClose = zip(loss, other).allSatisfy { abs($0 - $1) <= 1e-5 * abs($1) }
            #expect(isClose, "\(loss) and \(other)", sourceLocation: sourceLocation)
        }
    }

    @Test func theGradientIsOfTheMeanOverTheGlobalBatch() throws {
        let setup = try Setup()
        _ = try setup.train([0..<5])
        let first = setup.gradient.array
        _ = try setup.train([5..<10])
        let second = setup.gradient.array
        _ = try setup.train([0..<5, 5..<10])
        // Microbatches add up.
        let sum = zip(first, second).map { Double($0) + Double($1) }
        #expect(dot(sum, sum) > 1e-6)
        expectClose(setup.gradient.array, sum, within: 1e-6, "sum")
        // Of twice as many samples each counts half. Batches of another size hold other samples, so all are equal here.
        let (one, double) = (try Setup(equal: true), try Setup(equal: true) { $0.training.globalBatch = 24 })
        #expect(try one.train([0..<5]) == double.train([0..<5]))
        expectSameBits(double.gradient.array, one.gradient.array.map { $0 / 2 }, "half")
    }

    /// Which positions' losses a change of the job changes.
    private func changed(_ change: (inout JobConfiguration) -> Void) throws -> [Int] {
        let (a, b) = (try Setup().train([0..<5, 5..<10, 10..<12]), try Setup(change).train([0..<5, 5..<10, 10..<12]))
        return (0..<Self.batch).filter { a[$0] != b[$0] }
    }

    @Test func flipsAndDropsAreThoseOfTheirPositions() throws {
        let random = TrainingRandom(seed: 0)
        let flipped = (0..<Self.batch).filter { random.flips(step: Self.step, sample: $0) }
        #expect(!flipped.isEmpty && flipped.count < Self.batch)
        #expect(try changed { $0.data.horizontalFlip = false } == flipped)
        let dropped = (0..<Self.batch).filter { random.dropsLabel(step: Self.step, sample: $0, probability: 0.5) }
        #expect(!dropped.isEmpty && dropped.count < Self.batch)
        #expect(try changed { $0.data.labelDropout = 0 } == dropped)
    }

    @Test func heldOutLossesDependOnThePlaceInTheSetAlone() throws {
        let setup = try Setup()
        let whole = try setup.validate([0..<5, 5..<10, 10..<15, 15..<20, 20..<23])
        #expect(Set(whole.map { $0[1] }).count == 23 && whole.map { $0[0] } == (0..<23).map { Double($0) })
        expectEqual(try setup.validate([0..<3, 3..<4, 4..<8, 8..<13, 13..<18, 18..<23]), whole)
        // Neither mirrored nor without their labels.
        let other = try Setup { ($0.data.horizontalFlip, $0.data.labelDropout) = (false, 0) }
        #expect(try other.validate([0..<5, 5..<10, 10..<15, 15..<20, 20..<23]) == whole)
    }
}
