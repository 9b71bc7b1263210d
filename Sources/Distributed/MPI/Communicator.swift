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
    private var isFreed = false

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
        precondition(!isFreed, "\(operation) on a communicator that was freed")
        try check(operation, rank: rank, body())
    }

    /// Cuts this communicator into one for each color, ranks ordered by key, then by their rank here
    /// (`MPI_Comm_split`, MPI 3.1, section 6.4.2). Collective.
    ///
    /// - Parameter color: 0 or greater; nil for a rank that joins none of them.
    /// - Returns: this rank's new communicator, nil where `color` is nil.
    public func split(color: Int?, key: Int = 0) throws -> Communicator? {
        precondition(color.map { $0 >= 0 } ?? true, "a color is 0 or greater")
        var child: MPI_Comm? = fpdm_comm_null()
        let color = color.map { Int32($0) } ?? Int32(MPI_UNDEFINED)
        try call("MPI_Comm_split") { MPI_Comm_split(handle, color, Int32(key), &child) }
        return try adopt(child)
    }

    /// The ranks that share memory with this one (`MPI_Comm_split_type`, MPI 3.1, section 6.4.2). Collective.
    func splitByNode() throws -> Communicator {
        var child: MPI_Comm? = fpdm_comm_null()
        try call("MPI_Comm_split_type") {
            MPI_Comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), Int32(rank), fpdm_info_null(), &child)
        }
        guard let node = try adopt(child) else {
            throw MPIError(
                operation: "MPI_Comm_split_type", rank: rank, code: MPI_ERR_OTHER, message: "no communicator returned")
        }
        return node
    }

    private func adopt(_ child: MPI_Comm?) throws -> Communicator? {
        guard let child, child != fpdm_comm_null() else { return nil }
        let communicator = try Communicator(child, process: process)
        communicator.pieceLimit = pieceLimit
        return communicator
    }

    /// Gives the communicator's resources back (`MPI_Comm_free`, MPI 3.1, section 6.4.3). Collective.
    ///
    /// For communicators from `split` only. Freeing is collective, and the moment at which Swift lets go of
    /// an object is not, so it is never done behind the caller's back; the rest goes with `finalize`.
    public func free() throws {
        precondition(handle != fpdm_comm_world(), "the world is not freed")
        var freed: MPI_Comm? = handle
        try call("MPI_Comm_free") { MPI_Comm_free(&freed) }
        isFreed = true
    }

    /// Kills every rank at once, the last resort (`MPI_Abort`, MPI 3.1, section 8.7).
    ///
    /// May be called from any thread: a watchdog's is the usual one, while MPI's own thread hangs.
    public func abort(code: Int32) -> Never {
        MPI_Abort(handle, code)
        exit(code)
    }
}
