import Foundation
import Jobs
import Storage
import Synchronization

/// When a process must have ended: after the job's time limit or when Slurm says, whichever is sooner.
///
/// Slurm's limits may be changed while a job runs, so that its controller is asked again every few minutes, on a thread
/// of its own: one that does not answer keeps nobody waiting.
final class RunDeadline {
    private static let interval = 300.0

    private let end: End
    private let ticker: Ticker?

    /// Read and written by two threads: seconds as `now` counts them, nil for no end.
    private final class End: Sendable {
        /// The job's own.
        let limit: Double?
        let slurm = Mutex<Double?>(nil)

        init(limit: Double?) { self.limit = limit }

        var time: Double? { [limit, slurm.withLock { $0 }].compactMap(\.self).min() }
    }

    /// - Parameters:
    ///   - spent: seconds since the process began.
    ///   - variable: of the environment.
    init(
        _ limit: TimeLimit, spent: Double,
        variable: (String) -> String? = { ProcessInfo.processInfo.environment[$0] }
    ) {
        if case .seconds(let seconds) = limit {
            end = End(limit: Self.now + Double(seconds) - spent)
        } else {
            end = End(limit: nil)
        }
        guard limit != .unlimited, let job = SlurmTime.job(variable) else {
            ticker = nil
            return
        }
        if let left = SlurmTime.left(variable, now: Date().timeIntervalSince1970) {
            end.slurm.withLock { $0 = Self.now + left }
        }
        // The first time at once, so that it can be told.
        Self.ask(job, end)
        ticker = Ticker("slurm time", every: Self.interval) { [end] in Self.ask(job, end) }
    }

    deinit { ticker?.stop() }

    /// Seconds left; nil without an end.
    var left: Double? { end.time.map { $0 - Self.now } }

    /// Keeps what is known where there is no answer.
    private static func ask(_ job: String, _ end: End) {
        switch SlurmTime.ask(job: job) {
        case .left(let seconds): end.slurm.withLock { $0 = now + seconds }
        case .unlimited: end.slurm.withLock { $0 = nil }
        case nil: break
        }
    }

    private static var now: Double { ProcessInfo.processInfo.systemUptime }
}
