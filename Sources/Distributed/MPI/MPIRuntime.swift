internal import CMPI
import Glibc

/// The owner of MPI in this process: started once, finalized once, by one thread.
///
/// All communication happens on the thread that called `start`. Other threads may run (the level is
/// `MPI_THREAD_FUNNELED` or higher), but only that one calls MPI (MPI 3.1, section 12.4).
public final class MPIRuntime {
    /// How many threads may call MPI, and when (MPI 3.1, section 12.4.3).
    public enum ThreadLevel: Int32, Comparable, Sendable {
        case single = 0
        case funneled, serialized, multiple

        public static func < (a: ThreadLevel, b: ThreadLevel) -> Bool { a.rawValue < b.rawValue }

        var constant: Int32 {
            switch self {
            case .single: Int32(MPI_THREAD_SINGLE)
            case .funneled: Int32(MPI_THREAD_FUNNELED)
            case .serialized: Int32(MPI_THREAD_SERIALIZED)
            case .multiple: Int32(MPI_THREAD_MULTIPLE)
            }
        }
    }

    /// All ranks (`MPI_COMM_WORLD`).
    public let world: Communicator
    /// The ranks that share this node's memory, in the order of their world ranks.
    public let nodeLocal: Communicator
    /// This node's name as MPI knows it (`MPI_Get_processor_name`).
    public let hostName: String

    /// Whether the thread that calls MPI is in there, for other threads.
    public var calls: CallCounter { process.calls }

    /// The MPI library's name and version, in its own words (MPI 3.1, section 8.1.1).
    public let libraryVersion: String

    private let process: MPIProcess

    /// Bytes of addresses that MPI takes when it starts, hardly any of which it uses; measured with Open MPI 4.1.
    public static let addressBytes = 400 << 20

    /// Starts MPI (`MPI_Init_thread`, MPI 3.1, section 12.4.3) and makes its errors return instead of abort.
    ///
    /// Collective over all ranks of the job. Without a launcher, the process is a world of one.
    /// - Throws: `UnknownLauncher` when the launcher started more processes, or fewer, than this MPI's world has
    ///   ranks; `MPIError` when MPI was started before in this process (section 8.7: it starts once), or when the
    ///   library offers fewer threads than `required`. Nothing was sent by then, and MPI has ended.
    public static func start(required: ThreadLevel = .funneled) throws -> MPIRuntime {
        let place = LauncherEnvironment.current
        let rank = place.rank
        var initialized: Int32 = 0
        try check("MPI_Initialized", rank: rank, MPI_Initialized(&initialized))
        guard initialized == 0 else {
            throw MPIError(
                operation: "MPI_Init_thread", rank: rank, code: MPI_ERR_OTHER,
                message: "MPI was started before in this process; it starts only once")
        }
        var provided: Int32 = 0
        try check("MPI_Init_thread", rank: rank, MPI_Init_thread(nil, nil, required.constant, &provided))
        guard provided >= required.constant else {
            // The standard orders the levels (section 12.4.3), so one comparison decides.
            MPI_Finalize()
            throw MPIError(
                operation: "MPI_Init_thread", rank: rank, code: MPI_ERR_OTHER,
                message: "this MPI library provides thread level \(provided), but \(required) "
                    + "(\(required.constant)) is needed: use a build of it with thread support")
        }
        var size: Int32 = 0
        try check("MPI_Comm_size", rank: rank, MPI_Comm_size(fpdm_comm_world(), &size))
        if let unknown = UnknownLauncher(place, worldSize: Int(size), library: try mpiLibrary(rank: rank)) {
            MPI_Finalize()
            throw unknown
        }
        return try MPIRuntime(launcherRank: rank)
    }

    private init(launcherRank: Int) throws {
        let name = try processorName(rank: launcherRank)
        let process = MPIProcess(hostName: name)
        self.process = process
        hostName = name
        libraryVersion = shortened(try mpiLibrary(rank: launcherRank))
        world = try Communicator(fpdm_comm_world(), process: process)
        nodeLocal = try world.splitByNode()
    }

    /// Ends MPI (`MPI_Finalize`, MPI 3.1, section 8.7). Collective; a second call does nothing.
    ///
    /// Waits for the other ranks, so a rank that fails alone uses `Communicator.abort` instead, and ranks
    /// that fail together (`Communicator.agree`) end with `exit(code:)`.
    public func finalize() {
        guard !process.isFinalized else { return }
        process.assertOwner()
        process.isFinalized = true
        MPI_Finalize()
    }

    /// Ends this process together with the other ranks, in good order: for a success and for a `RankFailure`.
    ///
    /// Collective, with one code. At the first rank that exits with an error, `mpirun` kills those still
    /// running, so nobody leaves before everybody's last words are out: output is flushed, then all meet, then
    /// MPI ends.
    public func exit(code: Int32) -> Never {
        fflush(nil)
        if !process.isFinalized { try? world.barrier() }
        finalize()
        Glibc.exit(code)
    }
}

/// What all communicators of a process share: the thread that may call MPI, and whether it still may.
final class MPIProcess {
    let hostName: String
    let calls = CallCounter()
    var isFinalized = false
    private let thread = pthread_self()

    init(hostName: String) { self.hostName = hostName }

    func assertOwner() {
        assert(pthread_equal(pthread_self(), thread) != 0, "MPI is called from the thread that started it only")
    }
}

private func processorName(rank: Int) throws -> String {
    try text(of: "MPI_Get_processor_name", capacity: MPI_MAX_PROCESSOR_NAME, rank: rank, MPI_Get_processor_name)
}

/// The library's name and version (MPI 3.1, section 8.1.1).
private func mpiLibrary(rank: Int) throws -> String {
    try text(
        of: "MPI_Get_library_version", capacity: MPI_MAX_LIBRARY_VERSION_STRING, rank: rank, MPI_Get_library_version)
}

/// Open MPI goes on with its package after a comma, MPICH with its configuration on the next line.
func shortened(_ library: String) -> String {
    let name = library.split { ",\n".contains($0) }.first.map(String.init) ?? ""
    return name.split(whereSeparator: \.isWhitespace).joined(separator: " ")
}

private func text(
    of operation: String, capacity: Int32, rank: Int,
    _ body: (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int32>?) -> Int32
) throws -> String {
    var length: Int32 = 0
    var text = [CChar](repeating: 0, count: Int(capacity) + 1)
    try check(operation, rank: rank, body(&text, &length))
    return String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
