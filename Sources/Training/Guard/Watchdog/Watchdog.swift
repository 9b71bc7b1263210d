import Distributed
import Foundation
import Reporting
import Storage
import Synchronization

/// Ends a run that hangs, with a message that names rank, host and phase.
///
/// On each rank one thread watches the training thread and touches no file of the run, so that nothing holds it up.
/// Another shows this rank's sign of life to the other ranks, and looks at theirs once this rank has waited for a while.
final class Watchdog: Sendable {
    private let rank: Int
    /// By rank.
    private let hosts: [String]
    /// Seconds without progress.
    private let limit: Double
    private let heartbeat: Heartbeat
    private let folder: PulseFolder
    private let stillness: Mutex<Stillness>
    /// What was seen of each rank, and when its pulse was last another.
    private let seen: Mutex<[(pulse: Pulse?, time: Double)]>
    private let pulses = Atomic<UInt64>(0)
    private let tickers = Mutex<[Ticker]>([])

    /// - Parameters:
    ///   - hosts: by rank.
    ///   - limit: seconds without progress, more than 0.
    ///   - run: the run folder, which exists.
    init(rank: Int, hosts: [String], limit: Double, heartbeat: Heartbeat, run: String) {
        (self.rank, self.hosts, self.limit, self.heartbeat) = (rank, hosts, limit, heartbeat)
        folder = PulseFolder(run: run)
        stillness = Mutex(Stillness(interval: limit / 16))
        seen = Mutex(Array(repeating: (nil, 0), count: hosts.count))
    }

    /// Begins to watch.
    func start() {
        // Where there can be no such folder, ranks accuse but themselves.
        if rank == 0 { folder.renew() }
        tickers.withLock {
            $0 = [
                Ticker("watchdog", every: limit / 16) { [self] in look() },
                Ticker("pulse", every: limit / 16) { [self] in show() },
            ]
        }
    }

    /// Watches no more.
    func stop() {
        tickers.withLock { tickers in
            for ticker in tickers { ticker.stop() }
            tickers = []
        }
        if rank == 0 { folder.remove() }
    }

    private static var now: Double { ProcessInfo.processInfo.systemUptime }

    // MARK: - The thread that watches

    private func look() {
        let sign = heartbeat.sign
        let files = sign.phase.isOnFiles && !sign.isInMPI ? ProcessFileBytes.current : 0
        let now = Self.now
        let stillness = stillness.withLock { stillness in
            stillness.look(
                Stillness.Sight(progress: sign.progress, isWaiting: sign.isInMPI, fileBytes: files), now: now)
            return stillness
        }
        let others = seen.withLock { $0.map { Suspicion.Observation(pulse: $0.pulse, silent: now - $0.time) } }
        guard
            let verdict = Suspicion.verdict(
                rank: rank, isWaiting: stillness.isWaiting, still: stillness.seconds, others: others, limit: limit)
        else { return }
        end(words(verdict, sign, stillness.seconds, others))
    }

    /// What a person is told.
    private func words(
        _ verdict: Suspicion, _ sign: Heartbeat.Sign, _ still: Double, _ others: [Suspicion.Observation]
    ) -> String {
        let seconds = Int(still)
        let place = "\(sign.phase.rawValue), step \(sign.step)"
        switch verdict {
        case .itself:
            return "rank \(rank) on \(hosts[rank]): no progress for \(seconds) s while \(place). Does its file system "
                + "still answer?"
        case .silent(let ranks):
            let named = ranks.map { other in
                let last = others[other].pulse.map { ", last seen \($0.phase.rawValue), step \($0.step)" } ?? ""
                return "rank \(other) on \(hosts[other]): no sign of life\(last)"
            }
            return named.joined(separator: "; ")
                + ". Rank \(rank) has waited for \(seconds) s. Was it stopped, or is its node cut off?"
        case .stuck:
            return "rank \(rank) on \(hosts[rank]): all ranks have waited for each other for \(seconds) s while "
                + "\(place). MPI, or the network under it, is stuck"
        }
    }

    /// Ends this process, at which the launcher ends the others. MPI is not asked: its thread is the one that hangs.
    private func end(_ message: String) -> Never {
        let text = Array(
            ("fpdm: error: \(message). The run is ended (run.watchdog: \(Int(limit))); --resume auto goes on from the "
                + "latest checkpoint\n").utf8)
        _ = text.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        _exit(Failure.Status.software.rawValue)
    }

    // MARK: - The thread that shows and looks around

    private func show() {
        let sign = heartbeat.sign
        let stillness = stillness.withLock { $0 }
        folder.write(
            Pulse(
                rank: rank, host: hosts[rank], process: getpid(),
                count: pulses.wrappingAdd(1, ordering: .relaxed).newValue, step: sign.step, phase: sign.phase,
                isWaiting: stillness.isWaiting, still: stillness.seconds))
        // Many ranks that read the signs of many take time: only where something is amiss.
        guard stillness.isWaiting, stillness.seconds >= limit / 2 else { return forget() }
        for other in hosts.indices where other != rank {
            let pulse = folder.read(rank: other)
            seen.withLock { seen in
                guard seen[other].pulse == nil || pulse?.count != seen[other].pulse?.count else { return }
                seen[other] = (pulse ?? seen[other].pulse, Self.now)
            }
        }
    }

    private func forget() {
        seen.withLock { seen in
            for other in seen.indices { seen[other].pulse = nil }
        }
    }
}
