import Testing

@testable import Distributed

@Suite("How much of a node's memory a process may use")
struct MemoryLimitTests {
    private let gibibyte = 1 << 30

    /// A machine of 24 GiB with further files and variables.
    private func limit(
        files: [String: String] = [:], variables: [String: String] = [:], total: String? = "25165824 kB",
        processes: Int = 1, addressing: Int = 0
    ) -> MemoryLimit? {
        var files = files
        if let total { files["/proc/meminfo"] = "MemTotal:       \(total)\nMemFree:        1000 kB\n" }
        return MemoryLimit(
            readFile: { [files] in files[$0] }, variable: { variables[$0] }, processes: processes,
            addressing: addressing)
    }

    @Test("without any limit it is what the machine has")
    func physical() throws {
        let found = try #require(limit())
        #expect(found.bytes == 24 * gibibyte && found.source == "physical")
    }

    @Test("nothing known is nothing said", arguments: [nil, "kB", "none kB", "0 kB", "-4 kB"])
    func unknown(total: String?) {
        #expect(limit(total: total) == nil)
    }

    @Test("of a process's group and all above it the smallest counts, which is named")
    func unified() {
        let root = "/sys/fs/cgroup"
        var files = [
            "/proc/self/cgroup": "0::/user.slice/user-1000.slice/run.scope\n",
            "\(root)/user.slice/memory.max": "8589934592\n",
            "\(root)/user.slice/user-1000.slice/memory.max": "max\n",
            "\(root)/user.slice/user-1000.slice/run.scope/memory.max": "max\n",
            "\(root)/other.slice/memory.max": "1\n",
        ]
        #expect(limit(files: files)?.bytes == 8 * gibibyte)
        #expect(limit(files: files)?.source == "cgroup /user.slice")
        files["\(root)/user.slice/user-1000.slice/run.scope/memory.max"] = "4294967296\n"
        #expect(limit(files: files)?.bytes == 4 * gibibyte)
        #expect(limit(files: files)?.source == "cgroup /user.slice/user-1000.slice/run.scope")
        files["\(root)/memory.max"] = "2147483648\n"
        #expect(limit(files: files)?.source == "cgroup /")
    }

    @Test("a container sees its own limit as that of the root, by whatever name its group goes")
    func container() {
        for group in ["/", "/docker/0123", "/../../job:7"] {
            let files = ["/proc/self/cgroup": "0::\(group)\n", "/sys/fs/cgroup/memory.max": "1073741824"]
            #expect(limit(files: files)?.bytes == gibibyte, "\(group)")
        }
    }

    @Test("version 1: the memory controller's tree; its largest numbers are no limit")
    func version1() {
        var files = [
            "/proc/self/cgroup": "9:name=systemd:/\n4:cpuset,memory:/slurm/job_7\n2:cpu:/small\n0::/\n",
            "/sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/cgroup/memory/slurm/memory.limit_in_bytes": "18446744073709551615\n",
            "/sys/fs/cgroup/memory/small/memory.limit_in_bytes": "4096\n",
        ]
        #expect(limit(files: files)?.source == "physical")
        #expect(limit(files: files, total: nil) == nil)
        files["/sys/fs/cgroup/memory/slurm/memory.limit_in_bytes"] = "3221225472\n"
        #expect(limit(files: files)?.bytes == 3 * gibibyte)
        #expect(limit(files: files)?.source == "cgroup /slurm")
    }

    @Test("limits that are no numbers are none", arguments: ["", "max", "-1", "0", "12 GB"])
    func noNumbers(text: String) {
        let files = ["/proc/self/cgroup": "0::/a\nbroken\n", "/sys/fs/cgroup/a/memory.max": text]
        #expect(limit(files: files)?.source == "physical")
    }

    @Test("Slurm's memory of a node is in MiB, or has a unit")
    func slurmNode() {
        #expect(limit(variables: ["SLURM_MEM_PER_NODE": "2048"])?.bytes == 2 * gibibyte)
        #expect(limit(variables: ["SLURM_MEM_PER_NODE": "2048"])?.source == "SLURM_MEM_PER_NODE=2048")
        #expect(limit(variables: ["SLURM_MEM_PER_NODE": "2g"])?.bytes == 2 * gibibyte)
        #expect(limit(variables: ["SLURM_MEM_PER_NODE": "512K"])?.bytes == 512 << 10)
    }

    @Test("Slurm's memory of a core counts for each core that the job has here")
    func slurmCores() {
        let variables = ["SLURM_MEM_PER_CPU": "1024", "SLURM_CPUS_ON_NODE": "6", "SLURM_JOB_CPUS_PER_NODE": "12"]
        #expect(limit(variables: variables)?.bytes == 6 * gibibyte)
        #expect(limit(variables: variables)?.source == "SLURM_MEM_PER_CPU=1024 x SLURM_CPUS_ON_NODE=6")
        #expect(limit(variables: ["SLURM_MEM_PER_CPU": "1024"])?.source == "physical")
    }

    @Test(
        "Slurm's 0 is all of the node; more than the node has is not believed",
        arguments: ["0", "", "G", "x", "-5", "1000000", "9223372036854775807", "9223372036854775807T"])
    func slurmAll(text: String) {
        #expect(limit(variables: ["SLURM_MEM_PER_NODE": text])?.source == "physical")
        #expect(limit(variables: ["SLURM_MEM_PER_CPU": text, "SLURM_CPUS_ON_NODE": "4"])?.source == "physical")
    }

    @Test("addresses are limited for each process; those that it does not use are no memory of its")
    func addresses() {
        func files(_ most: String) -> [String: String] {
            [
                "/proc/self/limits": """
                Limit                     Soft Limit           Hard Limit           Units
                Max open files            1024                 4096                 files
                Max address space         \(most)              unlimited            bytes
                """,
                "/proc/self/status": "Name:\tfpdm\nVmSize:\t 3145728 kB\nVmRSS:\t  1048576 kB\n",
            ]
        }
        #expect(limit(files: files("unlimited"))?.source == "physical")
        let four = files("\(4 * gibibyte)")
        #expect(limit(files: four)?.bytes == 2 * gibibyte && limit(files: four)?.source == "ulimit -v")
        #expect(limit(files: four)?.isOfEachProcess == true && limit()?.isOfEachProcess == false)
        #expect(limit(files: four, processes: 3)?.bytes == 6 * gibibyte)
        // Less by what each will have beside that.
        #expect(limit(files: four, processes: 3, addressing: gibibyte)?.bytes == 3 * gibibyte)
        #expect(limit(files: four, processes: 13)?.source == "physical")
        #expect(limit(files: files("\(gibibyte)"))?.bytes == 0)
    }

    @Test("a limit that Slurm and its control group share goes by the name that a user knows")
    func equalLimits() {
        let files = [
            "/proc/self/cgroup": "0::/system.slice/job_7", "/sys/fs/cgroup/system.slice/job_7/memory.max": "2147483648",
        ]
        #expect(limit(files: files, variables: ["SLURM_MEM_PER_NODE": "2048"])?.source == "SLURM_MEM_PER_NODE=2048")
    }

    @Test("this machine tells")
    func here() throws {
        let limit = try #require(MemoryLimit.current)
        #expect(limit.bytes > 1 << 20 && !limit.source.isEmpty)
    }
}
