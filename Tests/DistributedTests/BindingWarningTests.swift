import Testing

@testable import Distributed

@Suite("Warnings about cores")
struct BindingWarningTests {
    private func warning(_ masks: [[Int]], _ count: Int, threads: Int = 1, isLaunched: Bool = true) -> String? {
        ProcessorAffinity.warning(
            masks: masks, node: NodeProcessors(count: count, threadsPerCore: threads), isLaunched: isLaunched)
    }

    @Test("nothing is said where all is well")
    func well() {
        #expect(warning([[0, 1]], 2) == nil)
        #expect(warning([[0], [1]], 2) == nil)
        #expect(warning([[0, 1], [0, 1]], 2) == nil)
        #expect(warning([[0, 1, 2, 3], [4, 5, 6, 7]], 8) == nil)
        #expect(warning([[0]], 1) == nil)
        // One core each, and no second one for both.
        #expect(warning([[0], [1]], 3) == nil)
        #expect(warning([], 4) == nil)
        #expect(warning([[], []], 4) == nil)
    }

    @Test("one rank on one of two cores, as mpirun -n 1 does it")
    func single() throws {
        let text = try #require(warning([[1]], 2))
        #expect(
            text == "1 of this node's 1 rank may use one core only, although it has 2 cores for them: "
                + "start mpirun with --bind-to none (srun: --cpu-bind=none)")
        #expect(try #require(warning([[0], [1]], 64)).hasPrefix("2 of this node's 2 ranks"))
        #expect(try #require(warning([[0], [1, 2, 3]], 4)).hasPrefix("1 of this node's 2 ranks"))
    }

    @Test("without a launcher the mask is the user's own")
    func alone() {
        #expect(warning([[1]], 2, isLaunched: false) == nil)
    }

    @Test("two hardware threads are one core")
    func threads() throws {
        #expect(try #require(warning([[0, 8]], 16, threads: 2)).contains("has 8 cores for them"))
        #expect(warning([[0, 1]], 2, threads: 2) == nil)
        #expect(warning([[0]], 2, threads: 2) == nil)
        #expect(warning([[0, 8, 1, 9]], 16, threads: 2) == nil)
    }

    @Test("ranks bound to the same core")
    func shared() throws {
        let text = try #require(warning([[0], [0], [1]], 4))
        #expect(text.hasPrefix("2 ranks share processor 0, although this node has 4 cores for its 3 ranks: "))
        #expect(text.contains("--bind-to none"))
        #expect(try #require(warning([[0], [0], [0, 1, 2, 3]], 4)).hasPrefix("2 ranks share processor 0,"))
        #expect(try #require(warning([[2], [2, 3], [3]], 4)).hasPrefix("3 ranks share processors 2, 3,"))
    }

    @Test("more ranks than cores: binding is not to blame")
    func crowded() throws {
        for masks in [[[0, 1], [0, 1], [0, 1]], [[0], [1], [0]]] {
            let text = try #require(warning(masks, 2))
            #expect(text == "3 ranks share this node's 2 cores and slow each other down: start fewer ranks on a node")
        }
    }
}

@Suite("The processors that a node has for a job")
struct NodeProcessorsTests {
    private func node(_ files: [String: String], _ variables: [String: String] = [:], online: Int = 16)
        -> NodeProcessors
    {
        NodeProcessors(readFile: { files[$0] }, variable: { variables[$0] }, online: online)
    }

    @Test("the fewest of machine, control group and Slurm job")
    func count() {
        #expect(node([:]).count == 16)
        #expect(node([:], ["SLURM_CPUS_ON_NODE": "6"]).count == 6)
        #expect(node([:], ["SLURM_CPUS_ON_NODE": "0"]).count == 16)
        let unified = [
            "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/cpuset.cpus.effective": "0-2,8\n",
            "/sys/fs/cgroup/cpuset.cpus.effective": "0-15\n",
        ]
        #expect(node(unified, ["SLURM_CPUS_ON_NODE": "6"]).count == 4)
        let version1 = [
            "/proc/self/cgroup": "3:cpuset:/a\n", "/sys/fs/cgroup/cpuset/a/cpuset.effective_cpus": "5\n",
        ]
        #expect(node(version1).count == 1)
    }

    @Test("hardware threads of a core")
    func threads() {
        #expect(node(["/sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0,8\n"]).threadsPerCore == 2)
        #expect(node([:]).threadsPerCore == 1)
    }

    @Test(
        "lists of processors",
        arguments: [
            ("0", 1), ("0-3", 4), ("0-3,8,10-11\n", 7), ("", nil), ("x", nil), ("3-1", nil), ("1-2-3", nil), ("-", nil),
        ]
            as [(String, Int?)])
    func lists(text: String, expected: Int?) {
        #expect(NodeProcessors.count(inList: text) == expected)
    }

    @Test("this machine has some")
    func here() {
        #expect(NodeProcessors.current.count >= 1 && NodeProcessors.current.threadsPerCore >= 1)
    }
}
