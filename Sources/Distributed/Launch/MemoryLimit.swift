/// How much of this node's memory this process may use, and who says so: the least of the node's memory, of the
/// limits of its control groups, of what Slurm gave the job on this node, and of what a process may address.
///
/// It is a limit of the node: the ranks that run there use it together. More is not a slow program but a dead
/// one, killed by the kernel or by Slurm. Swap does not count.
public struct MemoryLimit: Equatable, Sendable {
    /// The limit, in bytes.
    public let bytes: Int
    /// Where it comes from, for "this node's memory is 24 GB (cgroup /user.slice)".
    public let source: String
    /// Whether each process has its own, however many there are: `bytes` are then what all of them have.
    public let isOfEachProcess: Bool

    /// This process's; nil only where nothing tells, not even `/proc/meminfo`.
    public static var current: MemoryLimit? { current(processes: 1) }

    /// - Parameters:
    ///   - processes: of this program on the node, each with the limits of this one.
    ///   - addressing: bytes of addresses that each of them has and this one has not.
    public static func current(processes: Int, addressing: Int = 0) -> MemoryLimit? {
        MemoryLimit(
            readFile: SystemFiles.read, variable: LauncherEnvironment.variable, processes: processes,
            addressing: addressing)
    }

    /// The limit that these files and environment variables tell; of several equal ones the first in the order:
    /// node, Slurm, addresses, control groups from the root down.
    public init?(
        readFile: @escaping (String) -> String?, variable: (String) -> String?, processes: Int = 1, addressing: Int = 0
    ) {
        let groups = ControlGroups(readFile: readFile)
        let limits =
            [Self.physical(readFile), Self.slurm(variable), Self.addresses(readFile, processes, beside: addressing)]
            .compactMap { $0 }
            + Self.limits(groups.settings("memory.max"))
            + Self.limits(groups.settings("memory.limit_in_bytes", controller: "memory"))
        // min(by:) returns the first of equals.
        guard let least = limits.min(by: { $0.bytes < $1.bytes }) else { return nil }
        self = least
    }

    public init(bytes: Int, source: String, isOfEachProcess: Bool = false) {
        self.bytes = bytes
        self.source = source
        self.isOfEachProcess = isOfEachProcess
    }

    private static func physical(_ readFile: (String) -> String?) -> MemoryLimit? {
        for line in (readFile("/proc/meminfo") ?? "").split(separator: "\n") where line.hasPrefix("MemTotal:") {
            // MemTotal:       24684084 kB
            let words = line.split(separator: " ")
            guard words.count == 3, let kibibytes = Int(words[1]), kibibytes > 0 else { return nil }
            return MemoryLimit(bytes: kibibytes << 10, source: "physical")
        }
        return nil
    }

    /// What so many processes may use under `ulimit -v` (setrlimit(2)), which counts addresses: of those that this process
    /// has already, only what is used of them counts as memory.
    private static func addresses(
        _ readFile: (String) -> String?, _ processes: Int, beside others: Int
    ) -> MemoryLimit? {
        // Max address space         4294967296           unlimited            bytes
        let line = (readFile("/proc/self/limits") ?? "").split(separator: "\n").first {
            $0.hasPrefix("Max address space ")
        }
        guard let words = line?.split(separator: " "), words.count > 3, let most = Int(words[3]) else { return nil }
        func kibibytes(_ key: String) -> Int {
            let line = (readFile("/proc/self/status") ?? "").split(separator: "\n").first { $0.hasPrefix("\(key):") }
            return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
        }
        let unused = others + max(0, kibibytes("VmSize") - kibibytes("VmRSS")) << 10
        let (bytes, overflows) = max(0, most - unused).multipliedReportingOverflow(by: processes)
        return overflows ? nil : MemoryLimit(bytes: bytes, source: "ulimit -v", isOfEachProcess: true)
    }

    private static func limits(_ settings: [ControlGroups.Setting]) -> [MemoryLimit] {
        settings.compactMap { setting in
            // No limit is "max" in version 2, and in version 1 about the largest number, whatever the page size.
            guard let bytes = Int(setting.text), bytes > 0, bytes < 1 << 60 else { return nil }
            return MemoryLimit(bytes: bytes, source: "cgroup \(setting.group)")
        }
    }

    /// What `--mem` or `--mem-per-cpu` gave (sbatch(1)); 0 stands for all memory of the node.
    private static func slurm(_ variable: (String) -> String?) -> MemoryLimit? {
        if let text = variable("SLURM_MEM_PER_NODE") {
            guard let bytes = slurmBytes(text) else { return nil }
            return MemoryLimit(bytes: bytes, source: "SLURM_MEM_PER_NODE=\(text)")
        }
        guard let text = variable("SLURM_MEM_PER_CPU"), let bytes = slurmBytes(text),
            let cpus = variable("SLURM_CPUS_ON_NODE").flatMap({ Int($0) }), cpus > 0
        else { return nil }
        let (product, overflows) = bytes.multipliedReportingOverflow(by: cpus)
        if overflows { return nil }
        return MemoryLimit(bytes: product, source: "SLURM_MEM_PER_CPU=\(text) x SLURM_CPUS_ON_NODE=\(cpus)")
    }

    /// Mebibytes, as Slurm writes them, or a person's number with one of Slurm's units.
    private static func slurmBytes(_ text: String) -> Int? {
        let shifts: [Character: Int] = ["K": 10, "M": 20, "G": 30, "T": 40]
        let unit = text.last.flatMap { shifts[Character($0.uppercased())] }
        guard let number = Int(unit == nil ? text[...] : text.dropLast()), number > 0 else { return nil }
        let (bytes, overflows) = number.multipliedReportingOverflow(by: 1 << (unit ?? 20))
        return overflows ? nil : bytes
    }
}
