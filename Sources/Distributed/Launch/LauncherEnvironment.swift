import Glibc

/// Which rank this process will be, as its launcher tells it, before MPI starts.
///
/// Understands Open MPI's `mpirun`, PMIx and PMI launchers (Hydra), and Slurm's `srun`. Outside of a launcher:
/// rank 0 of 1.
public enum LauncherEnvironment {
    /// The rank in the world.
    public static var rank: Int { current.rank }
    /// The number of ranks in the world.
    public static var size: Int { current.size }
    /// The rank among those of this node.
    public static var localRank: Int { current.localRank }
    /// The number of ranks of this node.
    public static var localSize: Int { current.localSize }
    /// Whether a launcher started this process.
    public static var isLaunched: Bool { current.isLaunched }

    /// All of the above, read once.
    public static var current: LauncherPlace { LauncherPlace(variable) }

    /// An environment variable's value.
    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

/// What a set of environment variables says about a process's place among the ranks.
public struct LauncherPlace: Equatable, Sendable {
    public var rank = 0
    /// The number of ranks; where no variable tells it, the least that the rank allows.
    public var size = 1
    public var localRank = 0
    public var localSize = 1
    public var isLaunched = false
    /// Whether a variable told the size.
    public var isSizeTold = false
    /// The variables that told rank and size, such as `SLURM_STEP_NUM_TASKS=2`.
    public var sources: [String] = []

    /// Reads the variables through `value`.
    ///
    /// The innermost launcher comes first: under `mpirun` inside a Slurm job, `SLURM_PROCID` counts the daemons
    /// of `mpirun`. Rank and size come from one launcher. The job-wide `SLURM_NTASKS` is not asked for the size,
    /// because a batch script has it too, where one process runs; a step's own count is.
    public init(_ value: (String) -> String?) {
        func number(_ name: String) -> Int? { value(name).flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil } }
        func first(_ names: [String]) -> (name: String, number: Int)? {
            names.compactMap { name in number(name).map { (name, $0) } }.first
        }
        guard let own = first(["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"]) else { return }
        rank = own.number
        isLaunched = true
        // PMIx has no variable for the size, nor has PMI under some launchers; under srun, Slurm tells it. A
        // Slurm step whose rank is another is the one in which that launcher's daemons run.
        let step = number("SLURM_PROCID") == rank ? ["SLURM_STEP_NUM_TASKS"] : []
        let sizes =
            switch own.name {
            case "OMPI_COMM_WORLD_RANK": ["OMPI_COMM_WORLD_SIZE"]
            case "PMI_RANK": ["PMI_SIZE"] + step
            default: step
            }
        let told = first(sizes)
        size = max(told?.number ?? 1, rank + 1)
        isSizeTold = told != nil
        sources = ([own] + (told.map { [$0] } ?? [])).map { "\($0.name)=\($0.number)" }
        localRank = first(["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"])?.number ?? 0
        let slurm = value("SLURM_STEP_TASKS_PER_NODE").flatMap {
            LauncherPlace.tasks(on: number("SLURM_NODEID") ?? 0, in: $0)
        }
        let localCount = first(["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"])?.number ?? slurm
        localSize = max(localCount ?? 1, localRank + 1)
    }

    /// The number of tasks on a node in Slurm's short notation: `2(x3),1` is 2, 2, 2, 1.
    static func tasks(on node: Int, in notation: String) -> Int? {
        var first = 0
        for part in notation.split(separator: ",") {
            let pieces = part.split(separator: "(")
            guard let count = pieces.first.flatMap({ Int($0) }) else { return nil }
            var nodes = 1
            if pieces.count > 1 {
                guard pieces[1].hasPrefix("x"), let repeats = Int(pieces[1].dropFirst().dropLast()) else { return nil }
                nodes = repeats
            }
            if node < first + nodes { return count }
            first += nodes
        }
        return nil
    }
}
