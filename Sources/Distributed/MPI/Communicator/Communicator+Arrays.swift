internal import CMPI

/// Collectives over Swift values whose lengths differ from rank to rank or are known to one rank only.
///
/// Each costs a further small message for the lengths and allocates its result: for set-up and reports, not
/// for a training step.
extension Communicator {
    /// The root's values, on every rank (`MPI_Bcast`, MPI 3.1, section 5.4). The other ranks' argument is ignored.
    public func broadcast<T: MPIScalar>(_ values: [T], root: Int) throws -> [T] {
        var count = values.count
        try withUnsafeMutablePointer(to: &count) {
            try broadcast(UnsafeMutableBufferPointer(start: $0, count: 1), root: root)
        }
        var result = rank == root ? values : [T](zeros: count)
        if count > 0 { try result.withUnsafeMutableBufferPointer { try broadcast($0, root: root) } }
        return result
    }

    /// The root's text, on every rank. The other ranks' argument is ignored.
    public func broadcast(_ text: String, root: Int) throws -> String {
        String(decoding: try broadcast(Array(text.utf8), root: root), as: UTF8.self)
    }

    /// Every rank's values on every rank, in rank order (`MPI_Allgatherv`, MPI 3.1, section 5.7).
    public func allGather<T: MPIScalar>(_ values: [T]) throws -> [[T]] {
        let counts = try allGatherCounts(values.count)
        let total = counts.reduce(0, +)
        if total > pieceLimit {
            return try (0..<size).map { try broadcast(values, root: $0) }
        }
        var all = [T](zeros: total)
        let starts = displacements(of: counts)
        let lengths = counts.map { Int32($0) }
        try values.withUnsafeBufferPointer { own in
            try all.withUnsafeMutableBufferPointer { all in
                try call("MPI_Allgatherv") {
                    MPI_Allgatherv(
                        own.baseAddress, Int32(own.count), T.mpiElement.handle, all.baseAddress, lengths, starts,
                        T.mpiElement.handle, handle)
                }
            }
        }
        return cut(all, counts)
    }

    /// Every rank's text on every rank.
    public func allGather(_ text: String) throws -> [String] {
        try allGather(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    private func allGatherCounts(_ count: Int) throws -> [Int] {
        var own = count
        var counts = [Int](repeating: 0, count: size)
        try call("MPI_Allgather") {
            MPI_Allgather(
                &own, 1, Int.mpiElement.handle, &counts, 1, Int.mpiElement.handle, handle)
        }
        return counts
    }
}

/// Where each rank's part starts when the parts lie one behind the other.
func displacements(of counts: [Int]) -> [Int32] {
    var start = 0
    return counts.map { count in
        defer { start += count }
        return Int32(start)
    }
}

private func cut<T>(_ all: [T], _ counts: [Int]) -> [[T]] {
    var rest = all[...]
    return counts.map { count in
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}

extension Array where Element: MPIScalar {
    /// `count` elements to be overwritten by a message: all MPI element types have a zero of zero bytes.
    fileprivate init(zeros count: Int) {
        self.init(unsafeUninitializedCapacity: count) { buffer, initialized in
            UnsafeMutableRawBufferPointer(buffer).initializeMemory(as: UInt8.self, repeating: 0)
            initialized = count
        }
    }
}
