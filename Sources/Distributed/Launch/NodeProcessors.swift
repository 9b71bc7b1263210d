import Glibc

/// How many logical processors this node has for the job, bound or not.
public struct NodeProcessors: Equatable, Sendable {
    /// Logical processors: of the node, of the process's control group or of the Slurm job there, whichever are fewest.
    public let count: Int
    /// Logical processors of one core: 2 with simultaneous multithreading, otherwise 1.
    public let threadsPerCore: Int

    public init(count: Int, threadsPerCore: Int = 1) {
        precondition(count > 0 && threadsPerCore > 0, "a node has processors")
        self.count = count
        self.threadsPerCore = threadsPerCore
    }

    /// This node's.
    public static var current: NodeProcessors {
        NodeProcessors(
            readFile: SystemFiles.read, variable: LauncherEnvironment.variable,
            online: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    }

    /// What these files and environment variables tell of a node with `online` logical processors.
    init(readFile: @escaping (String) -> String?, variable: (String) -> String?, online: Int) {
        let groups = ControlGroups(readFile: readFile)
        let settings =
            groups.settings("cpuset.cpus.effective") + groups.settings("cpuset.effective_cpus", controller: "cpuset")
        let given =
            settings.compactMap { Self.count(inList: $0.text) } + [variable("SLURM_CPUS_ON_NODE").flatMap { Int($0) }]
        let siblings = readFile("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")
        self.init(
            count: given.compactMap { $0 }.filter { $0 > 0 }.reduce(online, min),
            threadsPerCore: siblings.flatMap { Self.count(inList: $0) } ?? 1)
    }

    /// The members of a list such as `0-3,8` (cpuset(7), "List format"); nil where it is none.
    static func count(inList text: String) -> Int? {
        var count = 0
        for part in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last else {
                return nil
            }
            count += last - first + 1
        }
        return count > 0 ? count : nil
    }
}
