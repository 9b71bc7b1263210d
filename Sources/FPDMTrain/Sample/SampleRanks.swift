import Distributed

/// The ranks that draw together, or one process without MPI.
struct SampleRanks {
    let rank: Int
    let size: Int
    private let world: Communicator?
    /// Threads of this rank, unless told: the cores that it may use over the node's ranks.
    let threads: Int

    /// Starts MPI where a launcher has started several ranks.
    static func start() throws -> SampleRanks {
        guard LauncherEnvironment.size > 1 else {
            return SampleRanks(rank: 0, size: 1, world: nil, threads: ProcessorAffinity.coreCount)
        }
        let runtime = try Session.start()
        let world = runtime.world
        return SampleRanks(
            rank: world.rank, size: world.size, world: world, threads: try runtime.nodeLocal.threadsPerRank())
    }

    /// Local work after which all ranks know whether it has failed on one of them.
    func agree<Result>(_ body: () throws -> Result) throws -> Result {
        guard let world else { return try body() }
        return try world.agree(body)
    }
}
