import Datasets
import Distributed
import Jobs
import Model
import Reporting
import TestSupport
import Testing

@testable import Compute
@testable import Training

/// What a rank's memory is for, told before it is taken.
@Suite struct MemoryPlanTests {
    /// Seven virtual ranks of 6 samples, in microbatches of 4: groups of samples with so many tokens are of 2.
    private func job(_ change: (inout JobConfiguration) -> Void = { _ in }) -> JobConfiguration {
        var job = JobConfiguration()
        job.model = tinyModel { ($0.width, $0.heads, $0.classes, $0.imageSize, $0.patchSize) = (48, 2, 7, 32, 1) }
        (job.training.globalBatch, job.training.virtualRanks, job.training.microbatch) = (42, 7, 4)
        change(&job)
        return job
    }

    private func dataset(_ folder: TestFolder, _ name: String, count: Int = 23) throws -> ShardedDataset {
        try DatasetWriter.write(MadeUpSource(count: count, channels: 2, side: 32), to: folder(name), shards: 2)
        return try ShardedDataset(path: folder(name))
    }

    private func bytes(_ plan: MemoryPlan, _ name: String) throws -> Int {
        try #require(plan.lines.first { $0.name == name }, "\(name)").bytes
    }

    @Test(arguments: [1, 3, 7], [false, true]) func linesAreWhatTheObjectsTake(_ ranks: Int, _ fixedPoint: Bool) throws
    {
        let folder = try TestFolder()
        let (dataset, held) = (try dataset(folder, "set"), try dataset(folder, "held", count: 9))
        let engine = try Engine(threads: 2)
        for activations in ActivationMode.allCases {
            let job = job { $0.model.fixedPoint = fixedPoint }.resolved { _ in activations }
            let table = ParameterTable(job.model)
            let slices = FlatSlices(count: table.flatCount, ranks: ranks)
            let batches = BatchPlan(job, dataset.layout)
            for rank in 0..<ranks {
                func plan(_ validation: ShardedDataset?) -> MemoryPlan {
                    MemoryPlan(
                        job, rank: rank, ranks: ranks, engine: engine, data: dataset.shape,
                        validation: validation?.shape, program: 1 << 20)
                }
                let (plan, withHeld) = (plan(nil), plan(held))
                let state = TrainingState(table, slices: slices, rank: rank)
                #expect(try bytes(plan, "weights, average, optimizer") == state.bytes)
                let own = batches.virtualRanks(of: rank, ranks: ranks).count
                let sum = GradientSum(engine, table, virtualRanks: 7, own: own, slice: slices[rank])
                #expect(try bytes(plan, "copy to save") == StateSnapshot(state, engine).bytes)
                #expect(try bytes(plan, "gradients") == sum.bytes)
                let accumulator = try BatchAccumulator(job, engine: engine)
                #expect(try bytes(plan, "activations") == accumulator.bytes)
                #expect(plan.activationBytes == accumulator.bytes)
                // One batch is computed while others are read.
                let count = batches.positions(batches.virtualRanks(of: rank, ranks: ranks)).count
                #expect(count == [1: 42, 3: rank == 0 ? 18 : 12, 7: 6][ranks])
                let samples = 3 * SampleBatch(dataset, count: count).bytes + dataset.heldBytes
                #expect(try bytes(plan, "samples") == samples)
                let validation = SampleBatch(held, count: 4).bytes + held.heldBytes
                #expect(held.heldBytes > 0)
                #expect(try bytes(withHeld, "samples") == samples + validation)
                #expect(plan.bytes == plan.lines.reduce(0) { $0 + $1.bytes })
            }
        }
    }

    /// The exchange itself needs ranks; what it takes is counted here.
    @Test func anExchangeTakesTwoPiecesOfTheLongestSlice() throws {
        let slices = FlatSlices(count: 26 * 4096, ranks: 3)
        let longest = slices.counts.max() ?? 0
        #expect(longest == 9 * 4096 && GradientExchange.bytes(slices) == 2 * longest * 8)
        // Long ones are cut.
        #expect(GradientExchange.bytes(FlatSlices(count: 10_000_000, ranks: 2)) == 2 * 8 << 19)
        #expect(GradientExchange.bytes(FlatSlices(count: 100_000, ranks: 1)) == 0)
    }

    private func limit(kibibytes: Int) throws -> MemoryLimit {
        try #require(
            MemoryLimit(
                readFile: { $0 == "/proc/meminfo" ? "MemTotal: \(kibibytes) kB\n" : nil }, variable: { _ in nil }))
    }

    @Test(arguments: [1, 3]) func whatDoesNotFitIsRefused(_ ranks: Int) throws {
        let folder = try TestFolder()
        let dataset = try dataset(folder, "set")
        let job = job().resolved { _ in .keep }
        let plan = MemoryPlan(
            job, rank: 0, ranks: ranks, engine: try Engine(threads: 1), data: dataset.shape, validation: nil,
            program: 1 << 20)
        let enough = (plan.bytes * ranks + 1023) / 1024
        try plan.requireFits(job, ranks: ranks, limit: nil)
        try plan.requireFits(job, ranks: ranks, limit: limit(kibibytes: enough))
        let failure = try #require(
            statedFailure { try plan.requireFits(job, ranks: ranks, limit: limit(kibibytes: enough - ranks)) })
        #expect(failure.status == .badData)
        // What for, and whose limit it is.
        #expect(failure.description.contains(plan.description) && failure.description.contains("physical"))
        #expect(failure.description.contains("(physical, \(ranks) rank\(ranks == 1 ? "" : "s"))"))
        for line in plan.lines { #expect(failure.description.contains(line.name)) }
    }

    /// Each remedy that is named takes less memory, and those that the job has used already are not named.
    @Test(arguments: [ActivationMode.keep, .recompute], [2, 4]) func remediesAreThoseLeft(
        _ activations: ActivationMode, _ microbatch: Int
    ) throws {
        let folder = try TestFolder()
        let dataset = try dataset(folder, "set")
        let engine = try Engine(threads: 1)
        func plan(_ job: ResolvedJob, ranks: Int = 1) -> MemoryPlan {
            MemoryPlan(
                job, rank: 0, ranks: ranks, engine: engine, data: dataset.shape, validation: nil, program: 1 << 20)
        }
        let job = job { $0.training.microbatch = microbatch }.resolved { _ in activations }
        func words(ranks: Int) throws -> String {
            try #require(
                statedFailure {
                    try plan(job, ranks: ranks).requireFits(job, ranks: ranks, limit: limit(kibibytes: 1))
                }
            ).description
        }
        let alone = try words(ranks: 1)
        #expect(alone.contains("training.activations: recompute") == (activations == .keep))
        #expect(alone.contains("lower training.microbatch (now \(microbatch))") == (microbatch > 2))
        #expect(alone.hasSuffix("choose a smaller model or a larger node") && !alone.contains("fewer ranks"))
        #expect(try words(ranks: 2).hasSuffix("start fewer ranks on a node"))
        // What each process has of its own does not depend on how many there are.
        let own = MemoryLimit(bytes: 2 << 20, source: "ulimit -v", isOfEachProcess: true)
        let each = statedFailure { try plan(job, ranks: 2).requireFits(job, ranks: 2, limit: own) }?.description
        #expect(each?.contains("each may use 1 MiB (ulimit -v); ") == true)
        #expect(each?.hasSuffix("raise that limit, or choose a smaller model") == true)
        let saving = self.job { ($0.training.steps, $0.checkpoint.every) = (10, 5) }.resolved { _ in activations }
        let waiting = self.job {
            ($0.training.steps, $0.checkpoint.every, $0.checkpoint.background) = (10, 5, false)
        }.resolved { _ in activations }
        for (job, names) in [(saving, true), (waiting, false)] {
            let failure = statedFailure {
                try plan(job).requireFits(job, ranks: 1, limit: limit(kibibytes: 1))
            }
            #expect(failure?.description.contains("set checkpoint.background: false") == names)
        }
        #expect(plan(waiting).bytes < plan(saving).bytes)
        if activations == .keep {
            #expect(plan(job.with(activations: .recompute)).activationBytes < plan(job).activationBytes)
        }
        if microbatch > 2 {
            let lower = self.job { $0.training.microbatch = 2 }.resolved { _ in activations }
            #expect(plan(lower).activationBytes < plan(job).activationBytes)
        }
    }
}
