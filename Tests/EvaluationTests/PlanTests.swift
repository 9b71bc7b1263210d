import Compute
import Evaluation
import Jobs
import Model
import TestSupport
import Testing
import Training

/// What a step is expected to take, where it can be known.
@Suite("Plans") struct PlanTests {
    private func plan(virtualRanks: Int, ranks: Int, perNode: Int) throws -> JobPlan {
        var job = JobConfiguration()
        job.model = tinyModel { $0.fixedPoint = true }
        (job.training.globalBatch, job.training.virtualRanks) = (2 * virtualRanks, virtualRanks)
        (job.training.iterationsWithoutGradient, job.training.iterationsWithGradient) = (
            IterationRange(0, 3), IterationRange(1, 2)
        )
        job.data.path = "no/such"
        return try JobPlan(
            job, on: JobPlan.Cluster(ranks: ranks, ranksPerNode: perNode, limit: nil), engine: Engine(threads: 1))
    }

    private func estimate(_ plan: JobPlan, _ network: NetworkRate? = nil, threads: Int = 1) throws -> StepEstimate {
        try #require(
            try StepEstimate(
                plan, engines: [Engine(threads: 1), Engine(threads: 1)], network: network, threads: threads,
                memory: 1 << 30))
    }

    @Test(
        "an exchange's bytes",
        arguments: [
            // Ranks, ranks a node, virtual ranks; bytes a value that a rank sends to another, and for each value of a slice
            // what leaves a node.
            (2, 1, 4, 12.0, 12.0), (2, 1, 2, 8, 8), (4, 2, 8, 12, 44), (3, 1, 4, 12, 24), (2, 2, 4, 12, 0),
            // The last node has fewer ranks than the others.
            (5, 4, 8, 12, 44), (5, 3, 8, 12, 64),
            // The first ranks have two virtual ranks, the last ones one: at most 6 * (8 + 4) + 7 * 4, 4 * (8 + 8) + 5 * 4.
            (8, 2, 9, 12, 100), (6, 2, 9, 12, 84),
        ]) func exchange(_ ranks: Int, _ perNode: Int, _ virtualRanks: Int, _ perRank: Double, _ perNodeBytes: Double)
        throws
    {
        let plan = try plan(virtualRanks: virtualRanks, ranks: ranks, perNode: perNode)
        let rate = NetworkRate(bitsPerSecond: 1e9)
        let exchange = try estimate(plan, rate).exchange
        let slice = Double(ParameterTable(plan.job.model).flatCount) / Double(ranks)
        #expect(exchange.bytesPerRank == Double(ranks - 1) * slice * perRank)
        #expect(abs(exchange.bytesPerNode - slice * perNodeBytes) <= 1e-12 * slice * perNodeBytes)
        let seconds = exchange.bytesPerNode * 8 / 1e9 / (1448.0 / 1538)
        #expect(abs((exchange.networkSeconds ?? -1) - seconds) <= 1e-12 * seconds)
        #expect(try exchange.seconds > 0 && (estimate(plan).exchange.networkSeconds == nil) == (perNode < ranks))
    }

    @Test("the mean over what steps draw is that of all pairs") func mean() throws {
        let job = try plan(virtualRanks: 1, ranks: 1, perNode: 1).job
        let flops = StepFLOPs(job.model)
        var sum = 0.0
        for n in 0...3 {
            for m in 1...2 { sum += flops.step(batch: 5, iterations: Iterations(withoutGradient: n, withGradient: m)) }
        }
        let mean = job.mean { flops.step(batch: 5, iterations: $0) }
        #expect(abs(mean - sum / 8) <= 1e-12 * mean)
    }

    @Test("more threads than there is work for are no faster") func threads() throws {
        // Two samples of four tokens: one panel.
        let plan = try plan(virtualRanks: 1, ranks: 1, perNode: 1)
        let (one, many) = (try estimate(plan), try estimate(plan, threads: 1000))
        // Two measurements, which differ, but not by so much.
        #expect(many.computeSeconds > one.computeSeconds / 30)
    }

    @Test("parts make the whole, and a network that does not fit is not measured") func parts() throws {
        let plan = try plan(virtualRanks: 3, ranks: 2, perNode: 2)
        let estimate = try estimate(plan)
        let parts =
            estimate.computeSeconds + estimate.sumSeconds + estimate.optimizerSeconds + estimate.exchange.seconds
        #expect(estimate.seconds == parts && estimate.samplesPerSecond == 6 / parts)
        #expect(estimate.trial.ranksAtOnce == 2 && estimate.trial.samples == 4)
        #expect(try StepEstimate(plan, engines: [Engine(threads: 1)], network: nil, threads: 1, memory: 1000) == nil)
    }
}
