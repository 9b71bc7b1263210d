internal import CMPI

/// Collectives over buffers of equal length on every rank, in place (MPI 3.1, chapter 5).
extension Communicator {
    /// Waits until every rank is here (`MPI_Barrier`, section 5.3).
    public func barrier() throws {
        try call("MPI_Barrier") { MPI_Barrier(handle) }
    }

    /// Copies the root's elements into every rank's buffer (`MPI_Bcast`, section 5.4).
    public func broadcast<T: MPIScalar>(_ buffer: UnsafeMutableBufferPointer<T>, root: Int) throws {
        for piece in Pieces(of: buffer.count, limit: pieceLimit) {
            try call("MPI_Bcast") {
                MPI_Bcast(buffer.address(of: piece), Int32(piece.count), T.mpiElement.handle, Int32(root), handle)
            }
        }
    }

    /// Combines the ranks' buffers, element by element, into the root's (`MPI_Reduce`, section 5.9.1).
    ///
    /// The buffers of the other ranks are only read.
    public func reduce<T: MPIScalar>(
        _ buffer: UnsafeMutableBufferPointer<T>, _ operation: Reduction, root: Int
    ) throws {
        // The root hands over a copy, hence the short pieces: MPICH 4.0.2 takes MPI_IN_PLACE for an address where the
        // root is not rank 0, and crashes.
        for piece in Pieces(of: buffer.count, limit: min(pieceLimit, 1 << 20)) {
            let address = buffer.address(of: piece)
            let copy = rank == root ? Array(buffer[piece]) : []
            try copy.withUnsafeBytes { copy in
                try call("MPI_Reduce") {
                    MPI_Reduce(
                        rank == root ? copy.baseAddress : UnsafeRawPointer(address), rank == root ? address : nil,
                        Int32(piece.count), T.mpiElement.handle, operation.handle, Int32(root), handle)
                }
            }
        }
    }

    /// Combines the ranks' buffers, element by element, into every rank's (`MPI_Allreduce`, section 5.9.6).
    public func allReduce<T: MPIScalar>(_ buffer: UnsafeMutableBufferPointer<T>, _ operation: Reduction) throws {
        for piece in Pieces(of: buffer.count, limit: pieceLimit) {
            try call("MPI_Allreduce") {
                MPI_Allreduce(
                    fpdm_in_place(), buffer.address(of: piece), Int32(piece.count), T.mpiElement.handle,
                    operation.handle, handle)
            }
        }
    }

    /// Combines one value of every rank.
    public func allReduce<T: MPIScalar>(_ value: T, _ operation: Reduction) throws -> T {
        var result = value
        try withUnsafeMutablePointer(to: &result) {
            try allReduce(UnsafeMutableBufferPointer(start: $0, count: 1), operation)
        }
        return result
    }
}

extension UnsafeMutableBufferPointer {
    /// Where a piece lies; nil only for a buffer without memory.
    func address(of piece: Range<Int>) -> UnsafeMutableRawPointer? {
        baseAddress.map { UnsafeMutableRawPointer($0 + piece.lowerBound) }
    }
}

extension UnsafeBufferPointer {
    /// Where a piece lies; nil only for a buffer without memory.
    func address(of piece: Range<Int>) -> UnsafeRawPointer? {
        baseAddress.map { UnsafeRawPointer($0 + piece.lowerBound) }
    }
}
