/// The failure of one rank, as every rank throws it: one rank prints it, all leave by `MPIRuntime.exit(code:)`.
public struct RankFailure: Error, CustomStringConvertible, Equatable, Sendable {
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

    public var description: String { "rank \(rank) on \(host): \(message)" }
}

/// Ranks fail together.
extension Communicator {
    /// Runs `body` on every rank; if it throws anywhere, every rank throws the lowest failing rank's error.
    ///
    /// Collective. `body` is local work, reading files for instance: communication inside it would leave the
    /// other ranks waiting for the one that failed. The inner `agree` of another is the exception: its
    /// `RankFailure` reaches all ranks alike and passes through unchanged.
    /// - Parameter describe: turns this rank's error into an exit code and a message for a person.
    /// - Throws: `RankFailure`, equal on all ranks; `MPIError` when the agreement itself fails.
    public func agree<T>(
        describing describe: (any Error) -> (code: Int32, message: String), _ body: () throws -> T
    ) throws -> T {
        let outcome = Result { try body() }
        guard case .failure(let error) = outcome else {
            try agree(on: nil)
            return try outcome.get()
        }
        if let shared = error as? RankFailure {
            try agree(on: shared)
            throw shared
        }
        let (code, message) = describe(error)
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
        let numbers = try broadcast(
            [failure.map { Int($0.rank) } ?? 0, failure.map { Int($0.code) } ?? 0], root: lowest)
        let host = try broadcast(failure?.host ?? "", root: lowest)
        let message = try broadcast(failure?.message ?? "", root: lowest)
        throw RankFailure(rank: numbers[0], host: host, code: Int32(numbers[1]), message: message)
    }

    /// This rank's failure, to hand to `agree(on:)`.
    public func failure(code: Int32, message: String) -> RankFailure {
        RankFailure(rank: rank, host: hostName, code: code, message: message)
    }
}
