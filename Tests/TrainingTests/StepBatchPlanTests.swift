import Jobs
import TestSupport
import Testing

@testable import Training

@Suite("Batch plan")
struct StepBatchPlanTests {
    private func plan(
        batch: Int, shards: Int, microbatch: Int = 0, samples: Int, shuffle: Bool = true, seed: Int = 0
    ) -> BatchPlan {
        var job = JobConfiguration()
        job.run.seed = seed
        job.data.shuffle = shuffle
        job.training.globalBatch = batch
        job.training.virtualRanks = shards
        job.training.microbatch = microbatch
        return BatchPlan(job, sampleCount: samples)
    }

    /// The first samples of a run, step after step.
    private func stream(_ plan: BatchPlan, steps: Int) -> [Int] {
        (0..<steps).flatMap { plan.samples(step: $0, places: 0..<plan.globalBatch) }
    }

    /// Batches that straddle epochs, that hold several epochs, and that fit exactly.
    @Test("every sample once an epoch", arguments: [(8, 27), (8, 5), (8, 3), (8, 32), (4, 1), (16, 1797)])
    func everySampleOnce(_ batch: Int, _ samples: Int) {
        let epochs = 4
        let plan = plan(batch: batch, shards: 4, samples: samples, seed: 3)
        let taken = stream(plan, steps: epochs * samples / batch + 1)
        var orders: [[Int]] = []
        for epoch in 0..<epochs {
            let order = Array(taken[epoch * samples..<(epoch + 1) * samples])
            #expect(order.sorted() == Array(0..<samples), "epoch \(epoch)")
            orders.append(order)
        }
        // With a handful of samples two orders may well be the same.
        guard samples > 20 else { return }
        #expect(Set(orders).count == epochs, "each epoch has an order of its own")
        #expect(!orders.contains(Array(0..<samples)))
    }

    @Test("the order follows from the seed")
    func seeds() {
        let first = stream(plan(batch: 8, shards: 1, samples: 100, seed: 1), steps: 20)
        #expect(stream(plan(batch: 8, shards: 1, samples: 100, seed: 1), steps: 20) == first)
        #expect(stream(plan(batch: 8, shards: 1, samples: 100, seed: 2), steps: 20) != first)
        #expect(stream(plan(batch: 8, shards: 1, samples: 100, seed: -1), steps: 20) != first)
    }

    @Test("without shuffling the data set's order, over and over")
    func unshuffled() {
        #expect(stream(plan(batch: 4, shards: 2, samples: 7, shuffle: false), steps: 6) == (0..<24).map { $0 % 7 })
    }

    @Test("microbatches cover all places once and cross no shard", arguments: 0...9)
    func microbatches(_ microbatch: Int) {
        let plan = plan(batch: 36, shards: 4, microbatch: microbatch, samples: 50)
        var covered: [Int] = []
        for shard in 0..<4 {
            let places = plan.places(shard: shard)
            #expect(places.count == 9)
            let batches = plan.microbatches(shard: shard)
            for batch in batches {
                #expect(!batch.isEmpty && batch.count <= (microbatch == 0 ? 9 : microbatch))
                #expect(places.contains(batch.lowerBound) && places.upperBound >= batch.upperBound)
            }
            // Only the last may be short, or there are more of them than need be.
            #expect(batches.dropLast().allSatisfy { $0.count == plan.microbatch })
            covered += batches.flatMap { Array($0) }
        }
        #expect(covered == Array(0..<36))
    }

    @Test("the same samples whatever the number of ranks", arguments: [1, 2, 4, 8])
    func ranks(_ ranks: Int) {
        let plan = plan(batch: 24, shards: 8, microbatch: 2, samples: 31, seed: 5)
        let shards = (0..<ranks).map { plan.shards(rank: $0, of: ranks) }
        #expect(shards.flatMap { Array($0) } == Array(0..<8))
        #expect(shards.allSatisfy { $0.count == 8 / ranks })
        for step in [0, 1, 2, 77] {
            let whole = plan.samples(step: step, places: 0..<24)
            // Rank by rank, as a prefetcher asks; and microbatch by microbatch.
            let byRank = shards.flatMap { shards in
                plan.samples(
                    step: step,
                    places: plan.places(shard: shards.lowerBound)
                        .lowerBound..<plan.places(shard: shards.upperBound - 1).upperBound)
            }
            let byMicrobatch = (0..<8).flatMap { shard in
                plan.microbatches(shard: shard).flatMap { plan.samples(step: step, places: $0) }
            }
            #expect(byRank == whole && byMicrobatch == whole)
        }
    }

    @Test("epochs are passes over the data")
    func epochs() {
        let plan = plan(batch: 8, shards: 1, samples: 32)
        #expect(plan.epochs(step: 0) == 0 && plan.epochs(step: 1) == 0.25 && plan.epochs(step: 10) == 2.5)
    }
}
