import Compute
import Model
import Training

/// What a node's link to the others carries.
public struct NetworkRate: Equatable, Sendable {
    /// In one direction, while the other carries as much.
    public let bitsPerSecond: Double

    public init(bitsPerSecond: Double) { self.bitsPerSecond = bitsPerSecond }

    /// Of what passes over Ethernet, the share that TCP carries: 1,448 of 1,538 bytes of a frame and the gap behind it.
    static let payload = 1448.0 / 1538

    var bytesPerSecond: Double { Self.payload * bitsPerSecond / 8 }
}

/// How long ranks take to exchange gradients and weights in a step, if the network carries what it says.
public struct ExchangeEstimate: Codable, Equatable, Sendable {
    /// What a rank sends in a step: its gradients to those that own them, its weights to all.
    public let bytesPerRank: Double
    /// What leaves the node that sends most in a step.
    public let bytesPerNode: Double
    /// Seconds on the network; 0 on one node, nil where its rate is not given.
    public let networkSeconds: Double?
    /// Copies within a node, adding up and rounding; nil where nothing was measured.
    public let memorySeconds: Double?
    /// What is known of them.
    public var seconds: Double { (memorySeconds ?? 0) + (networkSeconds ?? 0) }

    private enum CodingKeys: String, CodingKey { case bytesPerRank, bytesPerNode, networkSeconds, memorySeconds }

    /// Times that a value which a rank receives passes through memory: copied into the other's shared memory and out of
    /// it, added to the sum, rounded. What `fpdm bench exchange` takes on one node is as long as so many copies.
    private static let copies = 4.0

    /// - Parameter engine: measures how fast memory is; nil to measure nothing.
    public init(_ plan: JobPlan, network: NetworkRate?, engine: Engine? = nil) {
        let (cluster, table) = (plan.cluster, ParameterTable(plan.job.model))
        let (ranks, virtualRanks) = (cluster.ranks, plan.job.training.virtualRanks)
        let slice = Double(table.flatCount) / Double(ranks)
        // Sums are doubles, but for those of one virtual rank (`GradientExchange`); weights are floats.
        func sumBytes(_ rank: Int) -> Double {
            BatchPlan.virtualRanks(virtualRanks, of: rank, ranks: ranks).count == 1 ? 4 : 8
        }
        let allWeights = Double(ranks - 1) * slice * 4
        bytesPerRank = Double(ranks - 1) * slice * sumBytes(0) + allWeights
        // Sums go from each rank to each; weights go round a ring, over each border between nodes all slices but one.
        func bytesOut(_ node: Int) -> Double {
            let first = node * cluster.ranksPerNode
            let own = first..<min(first + cluster.ranksPerNode, ranks)
            if own.count == ranks { return 0 }
            return Double(ranks - own.count) * slice * own.reduce(0) { $0 + sumBytes($1) } + allWeights
        }
        // The last node may have fewer ranks than the others, and more to say to them.
        let mostOut = (0..<cluster.nodes).reduce(0.0) { max($0, bytesOut($1)) }
        bytesPerNode = mostOut
        networkSeconds = cluster.nodes == 1 ? 0 : network.map { mostOut / $0.bytesPerSecond }
        let bytes = Self.copies * bytesPerRank
        memorySeconds = engine.map {
            cluster.ranks == 1 ? 0 : bytes / (Self.copyRate($0) / Double($0.pool.threadCount))
        }
    }

    /// Values that are copied to measure how fast memory is.
    private static let copied = 16 << 20

    /// Bytes that measuring takes.
    static func measuredBytes(ranks: Int) -> Int { ranks == 1 ? 0 : 2 * copied * MemoryLayout<Float>.stride }

    /// Bytes a second that the engine's threads copy together, from memory to memory.
    private static func copyRate(_ engine: Engine) -> Double {
        let count = copied
        let (arena, (from, to)) = Arena.build("copy") { ($0.take(count), $0.take(count)) }
        defer { withExtendedLifetime(arena) {} }
        let clock = ContinuousClock()
        let times = (0..<4).map { _ in
            let begin = clock.now
            engine.pool.parallelRanges(count, grain: 1 << 18) { range, _ in
                to[range].copy(from: from[range])
            }
            return (clock.now - begin).seconds
        }
        return Double(count * MemoryLayout<Float>.stride) / (times.min() ?? 1)
    }
}
