import Compute
import Datasets
import Distributed
import Jobs
import Model
import Reporting

/// What a job takes of a cluster's memory, told without running it.
public struct JobPlan {
    /// What runs the job.
    public struct Cluster: Equatable, Sendable {
        public var ranks: Int
        public var ranksPerNode: Int
        /// Of a node; nil where nothing tells.
        public var limit: MemoryLimit?

        public init(ranks: Int, ranksPerNode: Int, limit: MemoryLimit?) {
            (self.ranks, self.ranksPerNode, self.limit) = (ranks, ranksPerNode, limit)
        }

        public var nodes: Int { (ranks + ranksPerNode - 1) / ranksPerNode }
        /// Of the fullest node.
        public var ranksOnNode: Int { min(ranks, ranksPerNode) }
    }

    public let cluster: Cluster
    /// With every choice made as a run would make it.
    public let job: ResolvedJob
    /// Of each rank.
    public let ranks: [MemoryPlan]
    /// The largest microbatch that fits; nil where not even the smallest does.
    public let largestMicrobatch: Int?
    /// Whether the job's microbatch is smaller than that, for activations to be kept.
    public let isSmallerToKeep: Bool
    /// Data sets that are not there, by their keys, with why: others are supposed in their place.
    public let supposed: [(key: String, reason: String)]

    /// Samples of a data set that is not there.
    private static let supposedSamples = 1_000_000

    /// - Parameter engine: of a rank, with the job's precision.
    /// - Throws: `Failure`, if the job cannot run on so many ranks or its sizes cannot be counted; ``DatasetError`` or
    ///   `StorageError` for a data set that is there and does not fit.
    public init(_ given: JobConfiguration, on cluster: Cluster, engine: Engine) throws {
        if let problem = given.problems(forRanks: cluster.ranks).first {
            throw Failure(.badData, problem.description)
        }
        let precision = engine.precision
        let data = try Self.shape(given.data.path, given.model)
        let configuration = try given.countingSteps(samples: data.shape.layout.sampleCount)
        try MemoryPlan.requireCountable(configuration.resolved(precision: precision) { _ in .keep })
        let validation = try configuration.validation.path.map { try Self.shape($0, configuration.model) }
        let program = MemoryPlan.programBytes(engine, afterStart: false)
        func plan(_ job: ResolvedJob, rank: Int) -> MemoryPlan {
            MemoryPlan(
                job, rank: rank, ranks: cluster.ranks, engine: engine, data: data.shape, validation: validation?.shape,
                program: program)
        }
        // The first rank has as many virtual ranks as any; of the flat vectors another may own more.
        let slices = FlatSlices(count: ParameterTable(configuration.model).flatCount, ranks: cluster.ranks)
        let widest = (0..<cluster.ranks).max { slices[$0].count < slices[$1].count } ?? 0
        let fit = MemoryFit(limit: cluster.limit, ranksOnNode: cluster.ranksOnNode) { job in
            let (first, other) = (plan(job, rank: 0), plan(job, rank: widest))
            return first.bytes > other.bytes ? first : other
        }
        var job = configuration.resolved(shuffle: data.shape.isHeld ? .full : .window, precision: precision) {
            fit.activations($0, given: configuration)
        }
        largestMicrobatch = fit.largestMicrobatch(job)
        job = fit.fitted(job, given: configuration)
        isSmallerToKeep = configuration.training.microbatch == 0 && job.microbatchSize < largestMicrobatch ?? 0
        self.cluster = cluster
        self.job = job
        let counted = given.training.epochs.flatMap { epochs in
            data.missing.map { _ in
                "\(epochs) epochs of \(Self.supposedSamples) samples are \(configuration.training.steps) steps"
            }
        }
        supposed = [
            ("data.path", data.missing), ("validation.path", validation?.missing), ("training.epochs", counted),
        ].compactMap { key, reason in
            reason.map { (key, $0) }
        }
        ranks = (0..<cluster.ranks).map { plan(job, rank: $0) }
    }

    private static func shape(_ path: String, _ model: ModelConfiguration) throws -> (
        shape: DatasetShape, missing: String?
    ) {
        do {
            let dataset = try ShardedDataset(path: path)
            try dataset.requireFits(model)
            return (dataset.shape, nil)
        } catch let error as DatasetError where error.kind == .missing && error.path == DatasetName(path).base {
            // All of it, that is: one that lacks a shard is damaged.
            let labels: DatasetLabels =
                switch model.conditioning {
                case .classes: .classes
                case .continuous: .continuous(model.classes)
                case .none: .none
                }
            return (
                DatasetShape(supposing: supposedSamples, imageValues: model.imageValues, labels: labels),
                error.description
            )
        }
    }

    /// Of the rank that needs most.
    public var largest: MemoryPlan { ranks.max { $0.bytes < $1.bytes } ?? ranks[0] }

    /// Of the node whose ranks need most together.
    public var node: MemoryPlan {
        let nodes = stride(from: 0, to: ranks.count, by: cluster.ranksPerNode).map {
            MemoryPlan(sumOf: ranks[$0..<min($0 + cluster.ranksPerNode, ranks.count)])
        }
        return nodes.max { $0.bytes < $1.bytes } ?? nodes[0]
    }

    /// Whether every node's ranks fit its memory; nil where no limit is known.
    public var fits: Bool? {
        cluster.limit.map { largest.bytes <= $0.bytes / cluster.ranksOnNode }
    }
}
