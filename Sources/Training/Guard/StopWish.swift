import Glibc

/// A rank's wish that the run be saved and ended, so that it can be started again.
public struct StopWish: Equatable, Sendable {
    /// Why.
    public enum Cause: Equatable, Sendable {
        /// A signal's number.
        case signal(Int32)
        /// The time that is left is what saving takes.
        case timeIsUp
    }

    public let rank: Int
    public let cause: Cause

    public init(rank: Int, cause: Cause) {
        self.rank = rank
        self.cause = cause
    }

    /// What a person is told.
    ///
    /// - Parameter host: of the rank.
    public func description(host: String) -> String {
        switch cause {
        case .signal(let number): "\(Self.name(ofSignal: number)) on rank \(rank) (\(host))"
        case .timeIsUp: "the time is nearly up"
        }
    }

    static func name(ofSignal number: Int32) -> String {
        switch number {
        case SIGUSR1: "SIGUSR1"
        case SIGUSR2: "SIGUSR2"
        case SIGTERM: "SIGTERM"
        case SIGHUP: "SIGHUP"
        case SIGINT: "SIGINT"
        default: "signal \(number)"
        }
    }
}

/// A wish as a number, of which the greatest is the lowest rank's: what a reduction to the maximum leaves.
extension StopWish {
    private static let codes = 256
    private static let timeCode = 255

    func number(ranks: Int) -> Double {
        let code: Int
        switch cause {
        case .signal(let number): code = Int(number)
        case .timeIsUp: code = Self.timeCode
        }
        return Double((ranks - rank) * Self.codes + code)
    }

    /// Nil for what is no wish: 0 or minus infinity.
    init?(number: Double, ranks: Int) {
        guard number > 0 else { return nil }
        let (place, code) = Int(number).quotientAndRemainder(dividingBy: Self.codes)
        self.init(rank: ranks - place, cause: code == Self.timeCode ? .timeIsUp : .signal(Int32(code)))
    }
}
