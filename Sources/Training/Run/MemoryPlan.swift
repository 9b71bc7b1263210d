import Checkpoints
import Compute
import Datasets
import Diffusion
import Distributed
import Jobs
import Model
import Reporting

/// What a rank's memory is for: measured by the code that takes it, before any of it is taken.
public struct MemoryPlan: Equatable, Sendable {
    public struct Line: Equatable, Sendable {
        public let name: String
        public let bytes: Int
    }

    public let lines: [Line]
    public var bytes: Int { lines.reduce(0) { $0 + $1.bytes } }
    /// Of the network and its objective.
    let activationBytes: Int

    /// - Parameters:
    ///   - validation: the held-out data set, if there is one.
    ///   - program: `programBytes`
    init(
        _ job: ResolvedJob, rank: Int, ranks: Int, engine: Engine, data: DatasetShape, validation: DatasetShape?,
        program: Int
    ) {
        let table = ParameterTable(job.model)
        let plan = BatchPlan(job, data.layout)
        let slices = FlatSlices(count: table.flatCount, ranks: ranks)
        let own = plan.virtualRanks(of: rank, ranks: ranks)
        var samples = SampleFeed.bytes(data, plan, virtualRanks: own) + data.heldBytes
        if let validation {
            samples += SampleBatch.bytes(validation, count: job.microbatchSize) + validation.heldBytes
        }
        activationBytes = BatchAccumulator.bytes(job, engine: engine)
        lines = [
            Line(
                name: "weights, average, optimizer",
                bytes: TrainingState.bytes(table, slices, rank: rank)
                    + TimestepSampler.bytes(job.training.timestepSampler, steps: job.diffusion.steps)),
            Line(
                name: "copy to save",
                bytes: job.configuration.savesWhileTraining ? StateSnapshot.bytes(table, slices, rank: rank) : 0),
            Line(
                name: "gradients",
                bytes: GradientSum.bytes(
                    table, virtualRanks: job.training.virtualRanks, own: own.count, slice: slices[rank])),
            Line(name: "activations", bytes: activationBytes),
            Line(name: "samples", bytes: samples),
            Line(
                name: "exchange",
                bytes: GradientExchange.bytes(slices)
                    + StepVote.bytes(
                        positions: job.training.globalBatch, virtualRanks: job.training.virtualRanks, ranks: ranks,
                        tensors: table.parameters.count, blocks: Reductions.blocks(table.flatCount))),
            Line(
                name: "program and libraries",
                bytes: program + BatchAccumulator.productBytes(job, engine: engine)),
        ]
    }

    /// What several ranks take together.
    init(sumOf plans: ArraySlice<MemoryPlan>) {
        activationBytes = plans.reduce(0) { $0 + $1.activationBytes }
        lines = (plans.first?.lines ?? []).indices.map { index in
            Line(
                name: plans[plans.startIndex].lines[index].name,
                bytes: plans.reduce(0) { $0 + $1.lines[index].bytes })
        }
    }

    /// What is resident now, and what comes to it in training.
    ///
    /// - Parameter afterStart: whether MPI runs already.
    static func programBytes(_ engine: Engine, afterStart: Bool) -> Int {
        // HDF5 and MPI take 7 to 11 MiB once they work, measured; MPI itself, when it starts, as much as is said here.
        ProcessMemory.resident + (10 << 20) + (afterStart ? 0 : 16 << 20)
            + engine.pool.threadCount * threadBytes(engine.backend)
    }

    /// Bytes of addresses that a run takes once it is planned and hardly uses: of the threads that read samples, save and
    /// watch, their stacks and what the C library sets aside for each of them to allocate from.
    public static let addressBytes = 5 * (SystemThread.stackBytes + 64 << 20)

    /// Of a thread's stack, and what a library takes for itself while it multiplies there; measured with up to 64 threads.
    private static func threadBytes(_ backend: MatrixBackend) -> Int {
        switch backend {
        case .native: 1 << 17
        case .oneDNN: 1 << 18
        // A buffer of its own for each call that is under way.
        case .openBLAS: 1 << 21
        }
    }

    /// The table in words: `weights, average, optimizer 12 MiB, gradients 9 MiB, ...`.
    public var description: String {
        lines.map { "\($0.name) \(Self.inWords($0.bytes))" }.joined(separator: ", ")
            + "; \(Self.inWords(bytes)) in all"
    }

    /// Refuses what no machine has, before it is counted: the sizes would not fit an Int.
    static func requireCountable(_ job: ResolvedJob) throws {
        let bytes = estimate(job)
        guard bytes > countableBytes else { return }
        throw Failure(
            .badData,
            "the job needs more memory than any machine has (about \(String(bytes / 1e18)) EB); choose a smaller model "
                + "(model.width, model.depth, model.imageSize) or a lower training.microbatch")
    }

    static func isCountable(_ job: ResolvedJob) -> Bool { estimate(job) <= countableBytes }

    private static let countableBytes = 0x1p60

    /// Bytes, generously.
    private static func estimate(_ job: ResolvedJob) -> Double {
        let model = job.model
        let (width, tokens) = (Double(model.width), Double(model.tokens))
        let blocks =
            model.fixedPoint
            ? Double(model.preDepth + model.postDepth + job.training.mostIterationsWithGradient) : Double(model.depth)
        let rows = Double(job.microbatchSize) * tokens
        let activations = rows * width * (2 * model.mlpRatio + 30) * (blocks + 2) + tokens * tokens * 1024
        let weights =
            width * width * (2 * model.mlpRatio + 20) * (blocks + 2)
            + width * Double(model.classes + model.patchValues + model.outputPatchValues)
        let images = Double(job.training.globalBatch) * Double(model.imageValues) * 4
        return 32 * (activations + weights + images)
    }

    /// Refuses what cannot fit before any of it is taken.
    ///
    /// - Parameters:
    ///   - ranks: of this node.
    ///   - limit: of this node's memory.
    func requireFits(_ job: ResolvedJob, ranks: Int, limit: MemoryLimit?) throws {
        guard let limit, bytes > limit.bytes / ranks else { return }
        var remedies: [String] = []
        if job.activations == .keep { remedies.append("set training.activations: recompute") }
        if job.with(microbatch: 1).microbatchSize < job.microbatchSize {
            remedies.append("lower training.microbatch (now \(job.microbatchSize))")
        }
        if job.configuration.savesWhileTraining { remedies.append("set checkpoint.background: false") }
        let share = Self.inWords(limit.bytes / ranks)
        let there: String
        if limit.isOfEachProcess {
            remedies.append("raise that limit, or choose a smaller model")
            there = "each may use \(share) (\(limit.source))"
        } else {
            remedies.append(ranks > 1 ? "start fewer ranks on a node" : "choose a smaller model or a larger node")
            there =
                "its share of this node's memory is \(share) (\(limit.source), \(ranks) rank\(ranks == 1 ? "" : "s"))"
        }
        throw Failure(
            .badData,
            "a rank needs \(Self.inWords(bytes)) (\(description)), and \(there); \(remedies.joined(separator: ", or "))"
        )
    }

    private static func inWords(_ bytes: Int) -> String {
        bytes >= 10 << 30 ? "\(bytes >> 30) GiB" : "\((bytes + (1 << 19)) >> 20) MiB"
    }
}
