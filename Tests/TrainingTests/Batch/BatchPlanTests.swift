import Jobs
import TestSupport
import Testing

@testable import Training

@Suite("Batch plan")
struct BatchPlanTests {
    private func job(
        batch: Int, virtualRanks: Int, microbatch: Int = 0, shuffle: JobConfiguration.Data.Shuffle = .full,
        seed: Int = 0
    ) -> JobConfiguration {
        var job = JobConfiguration()
        // A sample's tokens are a group, so that microbatches are not rounded up.
        job.model.imageSize = 128
        job.run.seed = seed
        job.data.shuffle = shuffle
        job.training.globalBatch = batch
        job.training.virtualRanks = virtualRanks
        job.training.microbatch = microbatch
        return job
    }

    private func plan(
        batch: Int, virtualRanks: Int, microbatch: Int = 0, samples: Int,
        shuffle: JobConfiguration.Data.Shuffle = .full, seed: Int = 0
    ) -> BatchPlan {
        let job = job(batch: batch, virtualRanks: virtualRanks, microbatch: microbatch, shuffle: shuffle, seed: seed)
        return BatchPlan(job.resolved { _ in .keep }, layout(samples))
    }

    /// The first samples of a run, step after step.
    private func stream(_ plan: BatchPlan, steps: Int) -> [Int] {
        (0..<steps).flatMap { plan.samples(step: $0, positions: 0..<plan.globalBatch) }
    }

    /// What version 0.2 took with `shuffle: true`, to which runs of its go on.
    @Test("the full order is what it always was")
    func golden() {
        let plan = plan(batch: 6, virtualRanks: 2, samples: 1797, seed: 11)
        #expect(plan.samples(step: 0, positions: 0..<6) == [1349, 653, 1217, 221, 1544, 873])
        #expect(plan.samples(step: 299, positions: 0..<6) == [43, 749, 878, 333, 553, 1016])
    }

    /// Batches that straddle epochs, that hold several epochs, and that fit exactly.
    @Test("every sample once an epoch", arguments: [(8, 27), (8, 5), (8, 3), (8, 32), (4, 1), (16, 1797)])
    func everySampleOnce(_ batch: Int, _ samples: Int) {
        let epochs = 4
        let plan = plan(batch: batch, virtualRanks: 4, samples: samples, seed: 3)
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
        func order(_ seed: Int) -> [Int] {
            stream(plan(batch: 8, virtualRanks: 1, samples: 100, seed: seed), steps: 20)
        }
        let first = order(1)
        #expect(order(1) == first && order(2) != first && order(-1) != first)
    }

    @Test("without shuffling the data set's order, over and over")
    func unshuffled() {
        let plan = plan(batch: 4, virtualRanks: 2, samples: 7, shuffle: .none)
        #expect(stream(plan, steps: 6) == (0..<24).map { $0 % 7 })
    }

    @Test("microbatches cover all positions once and cross no virtual rank", arguments: 0...9)
    func microbatches(_ microbatch: Int) {
        let plan = plan(batch: 36, virtualRanks: 4, microbatch: microbatch, samples: 50)
        #expect(plan.virtualRankSize == 9)
        var covered: [Int] = []
        for virtualRank in 0..<4 {
            let positions = plan.positions(virtualRank..<virtualRank + 1)
            #expect(positions.count == 9)
            #expect(positions.allSatisfy { plan.virtualRank(of: $0) == virtualRank })
            let batches = plan.microbatches(virtualRank)
            for batch in batches {
                #expect(!batch.isEmpty && batch.count <= (microbatch == 0 ? 9 : microbatch))
                #expect(positions.contains(batch.lowerBound) && positions.upperBound >= batch.upperBound)
            }
            // Only the last may be short, or there are more of them than need be.
            #expect(batches.dropLast().allSatisfy { $0.count == plan.microbatch })
            covered += batches.flatMap { Array($0) }
        }
        #expect(covered == Array(0..<36))
    }

    @Test("any number of ranks shares the virtual ranks nearly equally", arguments: [1, 2, 7, 8, 12, 61])
    func shares(_ virtualRanks: Int) {
        let plan = plan(batch: virtualRanks * 3, virtualRanks: virtualRanks, samples: 31)
        for ranks in 1...virtualRanks {
            let shares = (0..<ranks).map { plan.virtualRanks(of: $0, ranks: ranks) }
            // Contiguous, in the order of ranks, and each virtual rank once.
            #expect(shares.flatMap { Array($0) } == Array(0..<virtualRanks), "\(ranks) ranks")
            // The first ranks have one more.
            let (least, more) = (virtualRanks / ranks, virtualRanks % ranks)
            #expect(shares.map(\.count) == (0..<ranks).map { least + ($0 < more ? 1 : 0) }, "\(ranks) ranks")
            for (rank, share) in shares.enumerated() {
                #expect(share.allSatisfy { plan.rank(of: $0, ranks: ranks) == rank })
            }
            #expect(shares.flatMap { Array(plan.positions($0)) } == Array(0..<virtualRanks * 3), "\(ranks) ranks")
        }
    }

    @Test("the note on idle ranks tells the shares that ranks have", arguments: 1...8)
    func idleNote(_ ranks: Int) {
        let job = job(batch: 24, virtualRanks: 8)
        let plan = plan(batch: 24, virtualRanks: 8, samples: 31)
        let shares = (0..<ranks).map { String(plan.virtualRanks(of: $0, ranks: ranks).count) }
        let note = job.idleNote(forRanks: ranks)
        #expect((note == nil) == (Set(shares).count == 1))
        let words = "\(ranks) ranks share 8 virtual ranks as \(shares.joined(separator: " + ")): "
        if let note { #expect(note.hasPrefix(words), "\(note)") }
    }

    @Test(
        "the same samples whatever the number of ranks", arguments: 1...8, JobConfiguration.Data.Shuffle.allCases)
    func ranks(_ ranks: Int, _ shuffle: JobConfiguration.Data.Shuffle) {
        let plan = plan(batch: 24, virtualRanks: 8, microbatch: 2, samples: 31, shuffle: shuffle, seed: 5)
        let shares = (0..<ranks).map { plan.virtualRanks(of: $0, ranks: ranks) }
        for step in [0, 1, 2, 77] {
            let whole = plan.samples(step: step, positions: 0..<24)
            // Rank by rank, as a feed asks; and microbatch by microbatch.
            let byRank = shares.flatMap { plan.samples(step: step, positions: plan.positions($0)) }
            let byMicrobatch = (0..<8).flatMap { virtualRank in
                plan.microbatches(virtualRank).flatMap { plan.samples(step: step, positions: $0) }
            }
            #expect(byRank == whole && byMicrobatch == whole)
        }
    }

    @Test("epochs are passes over the data")
    func epochs() {
        let plan = plan(batch: 8, virtualRanks: 1, samples: 32)
        #expect(plan.epochs(step: 0) == 0 && plan.epochs(step: 1) == 0.25 && plan.epochs(step: 10) == 2.5)
    }
}
