import Glibc
import Reporting

/// The failure of one rank, as every rank throws it: one rank prints it, all leave by `MPIRuntime.exit(code:)`.
public struct RankFailure: Reportable, Equatable {
    /// The lowest rank that failed.
    public let rank: Int
    /// The node it runs on.
    public let host: String
    /// The exit code for all ranks (sysexits.h), never 0.
    public let code: Int32
    /// The cause.
    public let message: String

    public init(rank: Int, host: String, code: Int32, message: String) {
        self.rank = rank
        self.host = host
        self.code = code == 0 ? 1 : code
        self.message = message
    }

    public var exitCode: Int32 { code }
    public var description: String { "rank \(rank) on \(host): \(message)" }
}

/// Ranks fail together.
extension Communicator {
    /// Runs `body` on every rank; if it throws anywhere, every rank throws the lowest failing rank's error.
    ///
    /// Collective. `body` is local work, reading files for instance: communication inside it would leave the
    /// other ranks waiting for the one that failed. The inner `agree` of another is the exception: its
    /// `RankFailure` reaches all ranks alike and passes through unchanged.
    /// - Throws: `RankFailure`, equal on all ranks; `MPIError` when the agreement itself fails.
    public func agree<T>(_ body: () throws -> T) throws -> T {
        let outcome = Result { try body() }
        guard case .failure(let error) = outcome else {
            try agree(on: nil)
            return try outcome.get()
        }
        if let shared = error as? RankFailure {
            try agree(on: shared)
            throw shared
        }
        let (code, message) = Failure.describe(error)
        let own = RankFailure(rank: rank, host: hostName, code: code, message: message)
        try agree(on: own)
        throw own
    }

    /// The form for every step: each rank brings its failure or nil, at the price of one all-reduced Int32.
    ///
    /// Collective. Only when a rank failed does anything else travel.
    /// - Throws: the lowest failing rank's `RankFailure`, equal on all ranks.
    public func agree(on failure: RankFailure?) throws {
        let lowest = Int(try allReduce(Int32(failure == nil ? size : rank), .min))
        guard lowest < size else { return }
        throw try shared(failure, of: lowest)
    }

    /// The failure of a rank that all know to have failed, as all ranks then hold it. Collective.
    ///
    /// - Parameter own: this rank's failure, if it has one.
    public func shared(_ own: RankFailure?, of failing: Int) throws -> RankFailure {
        let numbers = try broadcast([own.map { Int($0.rank) } ?? 0, own.map { Int($0.code) } ?? 0], root: failing)
        let host = try broadcast(own?.host ?? "", root: failing)
        let message = try broadcast(own?.message ?? "", root: failing)
        return RankFailure(rank: numbers[0], host: host, code: Int32(numbers[1]), message: message)
    }

    /// Runs communication that no rank may leave alone: an error of MPI ends all ranks, with a message.
    public func orAbort<Value>(_ body: () throws -> Value) -> Value {
        do {
            return try body()
        } catch {
            let (code, message) = Failure.describe(error)
            // Not through a stream: this may run while others print, and must not fail.
            let text = Array("fpdm: error: rank \(rank) on \(hostName): \(message)\n".utf8)
            _ = text.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            abort(code: code)
        }
    }

    /// This rank's failure, to hand to `agree(on:)`.
    public func failure(code: Int32, message: String) -> RankFailure {
        RankFailure(rank: rank, host: hostName, code: code, message: message)
    }
}
