internal import CMPI
import Glibc

/// A group of ranks that talk to each other (MPI 3.1, chapter 6).
///
/// Collective functions are called by every rank of the communicator, in the same order, with the same root
/// and element type. All functions are called from the thread that started MPI; debug builds assert it.
/// Every error is an `MPIError`.
public final class Communicator {
    /// This process's number in the communicator, 0..<size.
    public let rank: Int
    /// The number of ranks.
    public let size: Int
    /// This node's name as MPI knows it.
    public var hostName: String { process.hostName }
    /// The most elements sent in one MPI call; longer buffers go in pieces, since MPI 3.1 counts in a C `int`.
    ///
    /// The same on every rank. Only tests have reason to lower it.
    public var pieceLimit = Int(Int32.max) {
        willSet { precondition(newValue > 0 && newValue <= Int(Int32.max), "pieceLimit: 1 to \(Int32.max)") }
    }

    let handle: MPI_Comm
    let process: MPIProcess

    init(_ handle: MPI_Comm, process: MPIProcess) throws {
        self.handle = handle
        self.process = process
        var rank: Int32 = 0
        var size: Int32 = 0
        let launcherRank = LauncherEnvironment.rank
        // Set on every communicator: whether a new one inherits its parent's handler differs between libraries.
        try check(
            "MPI_Comm_set_errhandler", rank: launcherRank, MPI_Comm_set_errhandler(handle, fpdm_errors_return()))
        try check("MPI_Comm_rank", rank: launcherRank, MPI_Comm_rank(handle, &rank))
        try check("MPI_Comm_size", rank: launcherRank, MPI_Comm_size(handle, &size))
        self.rank = Int(rank)
        self.size = Int(size)
    }

    /// Every MPI call of a communicator passes here: the thread is checked, then the code it returns.
    @inline(__always)
    func call(_ operation: String, _ body: () -> Int32) throws {
        process.assertOwner()
        precondition(!process.isFinalized, "\(operation) after MPI was finalized")
        process.calls.step()
        defer { process.calls.step() }
        try check(operation, rank: rank, body())
    }

    /// The ranks that share memory with this one (`MPI_Comm_split_type`, MPI 3.1, section 6.4.2). Collective.
    func splitByNode() throws -> Communicator {
        try child("MPI_Comm_split_type") {
            fpdm_comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), Int32(rank), fpdm_info_null(), $0)
        }
    }

    /// The same ranks, whose messages meet no others' (`MPI_Comm_dup`, MPI 3.1, section 6.4.2). Collective.
    public func duplicate() throws -> Communicator {
        try child("MPI_Comm_dup") { fpdm_comm_dup(handle, $0) }
    }

    private func child(_ operation: String, _ body: (UnsafeMutablePointer<fpdm_comm>) -> Int32) throws -> Communicator {
        var child = fpdm_comm_null()
        try call(operation) { body(&child) }
        guard fpdm_comm_is_null(child) == 0 else {
            throw MPIError(
                operation: operation, rank: rank, code: MPI_ERR_OTHER, message: "no communicator returned")
        }
        let communicator = try Communicator(child.handle, process: process)
        communicator.pieceLimit = pieceLimit
        return communicator
    }

    /// Kills every rank at once, the last resort (`MPI_Abort`, MPI 3.1, section 8.7).
    public func abort(code: Int32) -> Never {
        MPI_Abort(handle, code)
        exit(code)
    }
}
