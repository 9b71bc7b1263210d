internal import CMPI

/// Blocking messages between two ranks (MPI 3.1, chapter 3).
///
/// A message has exactly the length its receiver asks for: a longer one is MPI's error, a shorter one ours.
extension Communicator {
    /// Sends the buffer (`MPI_Send`, section 3.2.1); may wait until the receiver asks for it.
    public func send<T: MPIScalar>(_ buffer: UnsafeBufferPointer<T>, to destination: Int, tag: Int = 0) throws {
        for piece in Pieces(of: buffer.count, limit: pieceLimit) {
            try call("MPI_Send") {
                MPI_Send(
                    buffer.address(of: piece), Int32(piece.count), T.mpiElement.handle, Int32(destination),
                    Int32(tag), handle)
            }
        }
    }

    /// Fills the buffer from the source's message (`MPI_Recv`, section 3.2.4).
    public func receive<T: MPIScalar>(_ buffer: UnsafeMutableBufferPointer<T>, from source: Int, tag: Int = 0) throws {
        for piece in Pieces(of: buffer.count, limit: pieceLimit) {
            var status = MPI_Status()
            try call("MPI_Recv") {
                MPI_Recv(
                    buffer.address(of: piece), Int32(piece.count), T.mpiElement.handle, Int32(source), Int32(tag),
                    handle, &status)
            }
            try checkLength("MPI_Recv", status, T.self, expected: piece.count)
        }
    }

    /// A rank whose message waits here to be received; nil if there is none yet (`MPI_Iprobe`, section 3.8.1).
    ///
    /// Never waits, so that it is no call during which this rank waits for others.
    public func probe(tag: Int = 0) throws -> Int? {
        process.assertOwner()
        var isThere: Int32 = 0
        var status = MPI_Status()
        try check(
            "MPI_Iprobe", rank: rank, MPI_Iprobe(Int32(MPI_ANY_SOURCE), Int32(tag), handle, &isThere, &status))
        return isThere == 0 ? nil : Int(status.MPI_SOURCE)
    }

    /// Throws when a message was shorter than its receiver asked for (`MPI_Get_count`, section 3.2.5).
    func checkLength<T: MPIScalar>(
        _ operation: String, _ status: MPI_Status, _ type: T.Type, expected: Int
    ) throws {
        var status = status
        var count: Int32 = 0
        try call("MPI_Get_count") { MPI_Get_count(&status, T.mpiElement.handle, &count) }
        guard Int(count) == expected else {
            throw MPIError(
                operation: operation, rank: rank, code: MPI_ERR_COUNT,
                message: "rank \(status.MPI_SOURCE) sent \(count) elements (tag \(status.MPI_TAG)), "
                    + "\(expected) were expected")
        }
    }
}
