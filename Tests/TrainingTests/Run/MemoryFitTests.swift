import Datasets
import Distributed
import Jobs
import Model
import Reporting
import TestSupport
import Testing

@testable import Compute
@testable import Training

/// What fits a rank's share of its node, and what a whole cluster takes.
@Suite struct MemoryFitTests {
    /// Virtual ranks of 12 samples, in groups of 2; no data set is there.
    private func job(_ change: (inout JobConfiguration) -> Void = { _ in }) -> JobConfiguration {
        var job = JobConfiguration()
        job.model = tinyModel { ($0.width, $0.heads, $0.imageSize, $0.patchSize) = (32, 2, 32, 1) }
        (job.training.globalBatch, job.training.virtualRanks) = (36, 3)
        job.data.path = "no/such"
        change(&job)
        return job
    }

    private func plan(
        _ job: JobConfiguration, ranks: Int = 1, perNode: Int? = nil, limit: Int? = nil
    ) throws -> JobPlan {
        try JobPlan(
            job,
            on: JobPlan.Cluster(
                ranks: ranks, ranksPerNode: perNode ?? ranks,
                limit: limit.map { MemoryLimit(bytes: $0, source: "a test") }),
            engine: try Engine(threads: 1))
    }

    /// Beside what is planned of a job, a program of 1 MiB.
    private func fit(_ limit: Int?, ranksOnNode: Int = 1) throws -> MemoryFit {
        let engine = try Engine(threads: 1)
        return MemoryFit(
            limit: limit.map { MemoryLimit(bytes: $0, source: "a test") }, ranksOnNode: ranksOnNode
        ) { job in
            MemoryPlan(
                job, rank: 0, ranks: ranksOnNode, engine: engine,
                data: DatasetShape(supposing: 100, imageValues: job.model.imageValues, labels: .classes),
                validation: nil, program: 1 << 20)
        }
    }

    private func chosen(
        _ job: JobConfiguration, by fit: MemoryFit, _ shuffle: JobConfiguration.Data.Shuffle = .full
    ) -> ActivationMode {
        fit.activations(job.resolved(shuffle: shuffle) { _ in .keep }, given: job)
    }

    @Test func theLargestMicrobatchFitsAndAGroupMoreDoesNot() throws {
        func fit(_ limit: Int?) throws -> MemoryFit { try self.fit(limit, ranksOnNode: 2) }
        let given = job { $0.training.activations = .keep }
        let job = given.resolved { _ in .keep }
        let sizes = try (1...6).map { try fit(nil).plan(job.with(microbatch: 2 * $0)).bytes }
        #expect(zip(sizes, sizes.dropFirst()).allSatisfy { $0 < $1 })
        for groups in 1...6 {
            #expect(try fit(2 * sizes[groups - 1]).largestMicrobatch(job) == 2 * groups)
            #expect(try fit(2 * sizes[groups - 1] - 1).largestMicrobatch(job) == (groups > 1 ? 2 * groups - 2 : nil))
        }
        #expect(try fit(2 * sizes[3]).fitted(job, given: given).microbatchSize == 8)
        #expect(try fit(1000).fitted(job, given: given).microbatchSize == 2)
        #expect(try fit(nil).largestMicrobatch(job) == 12)
    }

    @Test func aPlanHasTheMicrobatchThatFits() throws {
        let auto = job { $0.training.activations = .keep }
        #expect(try plan(auto).job.microbatchSize == 12)
        let none = try plan(auto, limit: 1000)
        #expect(none.largestMicrobatch == nil && none.job.microbatchSize == 2 && none.fits == false)
        let given = try plan(job { $0.training.microbatch = 4 }, limit: 1 << 40)
        #expect(given.largestMicrobatch == 12 && given.job.microbatchSize == 4 && given.fits == true)
    }

    @Test func activationsAreKeptWhereTheyTakeAQuarter() throws {
        // So many that they are most of a rank's memory.
        let whole = job {
            ($0.model.fixedPoint, $0.training.iterationsWithGradient) = (true, IterationRange(100, 100))
            $0.training.microbatch = 12
        }
        let kept = try fit(nil).plan(whole.resolved { _ in .keep }).activationBytes
        for ranks in [1, 2] {
            #expect(try chosen(whole, by: fit(4 * kept * ranks, ranksOnNode: ranks)) == .keep)
            #expect(try chosen(whole, by: fit((4 * kept - 4) * ranks, ranksOnNode: ranks)) == .recompute)
        }
        // What else there is has to fit, too.
        let wide = job { ($0.training.microbatch, $0.model.classes) = (12, 1_000_000) }
        let plan = try fit(nil).plan(wide.resolved { _ in .keep })
        try #require(plan.bytes > 8 * plan.activationBytes)
        #expect(try chosen(wide, by: fit(plan.bytes)) == .keep)
        #expect(try chosen(wide, by: fit(plan.bytes - 1)) == .recompute)
        // So have the samples of a set that is not held in memory, which an order by windows reads ahead.
        #expect(try chosen(wide, by: fit(plan.bytes), .window) == .recompute)
    }

    @Test func aSmallerMicrobatchIsTakenBeforeActivationsAreRecomputed() throws {
        let open = job {
            ($0.model.fixedPoint, $0.training.iterationsWithGradient) = (true, IterationRange(100, 100))
        }
        let plan = try fit(nil).plan
        func kept(_ microbatch: Int) -> Int {
            plan(open.resolved { _ in .keep }.with(microbatch: microbatch)).activationBytes
        }
        for (limit, microbatch) in [(4 * kept(12), 12), (4 * kept(12) - 4, 10), (4 * kept(2), 2)] {
            let fit = try fit(limit)
            #expect(chosen(open, by: fit) == .keep)
            #expect(fit.fitted(open.resolved { _ in .keep }, given: open).microbatchSize == microbatch)
        }
        // Where that is not enough, they are recomputed, and all that fits is taken.
        let fit = try fit(4 * kept(2) - 4)
        #expect(chosen(open, by: fit) == .recompute)
        #expect(fit.fitted(open.resolved { _ in .recompute }, given: open).microbatchSize == 12)
        // A plan chooses likewise.
        let chosen = try self.plan(open, limit: 1 << 40).job
        #expect(chosen.activations == .keep && chosen.microbatchSize == 12)
    }

    @Test func aNodeTakesWhatItsRanksTake() throws {
        let three = try plan(job(), ranks: 3, perNode: 2)
        #expect(three.cluster.nodes == 2 && three.supposed.map(\.key) == ["data.path"] && three.ranks.count == 3)
        #expect(three.node.bytes == max(three.ranks[0].bytes + three.ranks[1].bytes, three.ranks[2].bytes))
        #expect(three.node.lines.map(\.name) == three.largest.lines.map(\.name))
        // The optimizer's part goes by slices; all hold the weights.
        func state(_ plan: MemoryPlan) throws -> Int { try #require(plan.lines.first).bytes }
        let (alone, shared) = (try state(try plan(job()).largest), try state(three.ranks[0]))
        #expect(shared < alone && 2 * shared > alone)
    }

    @Test func aCopyIsTakenWhereTrainingDoesNotWait() throws {
        func copy(_ every: Int) throws -> Int {
            try #require(
                try plan(job { ($0.checkpoint.every, $0.training.steps) = (every, 8) }).largest.lines.first {
                    $0.name == "copy to save"
                }
            ).bytes
        }
        #expect(try copy(0) == 0 && copy(8) == 0 && copy(9) == 0)
        #expect(try copy(7) > 0)
    }

    @Test func whatCannotRunIsRefused() throws {
        let failure = try #require(statedFailure { _ = try plan(job(), ranks: 4) })
        #expect(failure.status == .badData && failure.description.contains("virtual"))
    }
}
