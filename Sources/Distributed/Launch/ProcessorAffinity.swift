internal import CMPI

/// The cores this process may run on, which a launcher or batch system often narrows.
public enum ProcessorAffinity {
    /// The number of cores in `mask`, at least 1.
    public static var coreCount: Int { max(1, mask.count) }

    /// The numbers of the cores this process may run on, ascending (`sched_getaffinity(2)`).
    ///
    /// Read it on the main thread before threads are bound one by one: it tells the calling thread's mask.
    /// Empty only where the kernel does not tell.
    public static var mask: [Int] {
        // The kernel refuses masks shorter than its own (EINVAL), and libc's cpu_set_t ends at 1,024 cores.
        var words = [UInt](repeating: 0, count: 1024)
        let written = fpdm_affinity(&words, words.count * MemoryLayout<UInt>.size)
        return written > 0 ? cores(in: words) : []
    }

    static func cores(in words: [UInt]) -> [Int] {
        words.indices.flatMap { index in
            (0..<UInt.bitWidth).lazy.filter { words[index] >> $0 & 1 == 1 }.map { index * UInt.bitWidth + $0 }
        }
    }

    /// How many threads a rank should run: its cores, divided among the ranks whose masks share any of them.
    ///
    /// - Parameter masks: the masks of all ranks of the node, in rank order.
    public static func threads(ofRank rank: Int, masks: [[Int]]) -> Int {
        let own = Set(masks[rank])
        let sharing = masks.indices.filter { $0 == rank || !own.isDisjoint(with: masks[$0]) }.count
        return max(1, own.count / sharing)
    }
}

extension Communicator {
    /// How many threads this rank should run; asked of `MPIRuntime.nodeLocal`. Collective.
    ///
    /// Ranks bound to cores of their own get all of those; ranks that share cores divide them.
    public func threadsPerRank(mask: [Int] = ProcessorAffinity.mask) throws -> Int {
        ProcessorAffinity.threads(ofRank: rank, masks: try allGather(mask))
    }
}
