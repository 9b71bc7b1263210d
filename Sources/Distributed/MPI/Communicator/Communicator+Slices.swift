internal import CMPI
import Glibc

/// Collectives over buffers of which each rank owns a slice, in place (MPI 3.1, chapter 5).
///
/// The slices lie one behind the other in the order of the ranks; `counts[r]` elements are rank r's, 0 or more, equal
/// on every rank. The buffers have all ranks' elements: `buffer.count == counts.sum`.
extension Communicator {
    /// Combines the ranks' buffers, element by element, and leaves each rank with its own slice of the result
    /// (`MPI_Reduce_scatter`, section 5.10.2).
    ///
    /// Rank r's `counts[r]` results stand at the START of its buffer, wherever its slice was; the rest of the
    /// buffer is undefined afterwards. The order in which the ranks' values are combined is the library's choice.
    public func reduceScatter<T: MPIScalar>(
        _ buffer: UnsafeMutableBufferPointer<T>, counts: [Int], _ operation: Reduction
    ) throws {
        checkSlices(counts, of: buffer.count)
        guard buffer.count <= pieceLimit else { return try reduceSliceBySlice(buffer, counts: counts, operation) }
        let lengths = counts.map { Int32($0) }
        try call("MPI_Reduce_scatter") {
            MPI_Reduce_scatter(
                fpdm_in_place(), buffer.baseAddress, lengths, T.mpiElement.handle, operation.handle, handle)
        }
    }

    /// Copies every rank's slice, which lies at its place in the rank's buffer, into all ranks' buffers
    /// (`MPI_Allgatherv`, section 5.7).
    public func allGather<T: MPIScalar>(_ buffer: UnsafeMutableBufferPointer<T>, counts: [Int]) throws {
        checkSlices(counts, of: buffer.count)
        guard buffer.count <= pieceLimit else {
            for (owner, slice) in slices(counts).enumerated() where !slice.isEmpty {
                try broadcast(UnsafeMutableBufferPointer(rebasing: buffer[slice]), root: owner)
            }
            return
        }
        let lengths = counts.map { Int32($0) }
        let starts = displacements(of: counts)
        try call("MPI_Allgatherv") {
            MPI_Allgatherv(
                fpdm_in_place(), 0, T.mpiElement.handle, buffer.baseAddress, lengths, starts, T.mpiElement.handle,
                handle)
        }
    }

    /// For more elements than `MPI_Reduce_scatter` can count in a C `int`.
    private func reduceSliceBySlice<T: MPIScalar>(
        _ buffer: UnsafeMutableBufferPointer<T>, counts: [Int], _ operation: Reduction
    ) throws {
        let slices = slices(counts)
        for (owner, slice) in slices.enumerated() where !slice.isEmpty {
            try reduce(UnsafeMutableBufferPointer(rebasing: buffer[slice]), operation, root: owner)
        }
        // Only now: what lies at the start was the others' input until here.
        let own = slices[rank]
        guard let start = buffer.baseAddress, own.lowerBound > 0 else { return }
        memmove(start, start + own.lowerBound, own.count * MemoryLayout<T>.stride)
    }

    private func checkSlices(_ counts: [Int], of total: Int) {
        precondition(counts.count == size, "\(counts.count) slices for \(size) ranks")
        precondition(counts.allSatisfy { $0 >= 0 }, "a slice has 0 elements or more")
        precondition(counts.reduce(0, +) == total, "slices of \(counts.reduce(0, +)) elements, a buffer of \(total)")
    }
}

private func slices(_ counts: [Int]) -> [Range<Int>] {
    var start = 0
    return counts.map { count in
        defer { start += count }
        return start..<start + count
    }
}
