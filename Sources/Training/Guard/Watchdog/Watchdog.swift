import Distributed
import Foundation
import Reporting
import Storage
import Synchronization

/// Ends a run that hangs, with a message that names rank, host and phase.
///
/// On each rank one thread watches the training thread and touches no file of the run, so that nothing holds it up.
/// Another shows this rank's sign of life to the other ranks, and looks at the next rank's; at all of them once this rank
/// has waited for a while.
final class Watchdog: Sendable {
    private let rank: Int
    /// By rank.
    private let hosts: [String]
    /// Seconds without progress.
    private let limit: Double
    private let heartbeat: Heartbeat
    private let folder: PulseFolder?
    private let stillness: Mutex<Stillness>
    /// What was seen of each rank.
    private let seen: Mutex<[Sighting]>
    /// When the last look around ended, and whether this rank's own sign could be written.
    private let shown: Mutex<(time: Double, isWritten: Bool)>
    private let pulses = Atomic<UInt64>(0)
    private let tickers = Mutex<[Ticker]>([])

    /// - Parameters:
    ///   - hosts: by rank.
    ///   - limit: seconds without progress, more than 0.
    ///   - folder: of signs of life, the same for all ranks; nil where there can be none.
    init(rank: Int, hosts: [String], limit: Double, heartbeat: Heartbeat, folder: PulseFolder?) {
        (self.rank, self.hosts, self.limit, self.heartbeat, self.folder) = (rank, hosts, limit, heartbeat, folder)
        let interval = limit / 16
        stillness = Mutex(Stillness(interval: interval))
        seen = Mutex(Array(repeating: Sighting(interval: interval), count: hosts.count))
        shown = Mutex((Self.now, false))
    }

    /// Begins to watch, in a folder that is there. The first sign of life is written before this returns: a rank that is
    /// stopped right after it is missed like any other.
    func start() {
        show()
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
        let others = seen.withLock { seen in
            seen.map {
                Suspicion.Observation(pulse: $0.pulse, silent: $0.silent, isLost: $0.isLost(limit: limit))
            }
        }
        guard
            let verdict = Suspicion.verdict(
                rank: rank, isWaiting: stillness.isWaiting, still: stillness.seconds,
                patience: sign.phase.patience(limit: limit), sight: sight(now), others: others, limit: limit)
        else { return }
        end(words(verdict, sign, stillness.seconds, others))
    }

    private func sight(_ now: Double) -> Suspicion.Sight {
        guard folder != nil else { return .dim }
        let (time, isWritten) = shown.withLock { $0 }
        if now - time > limit / 4 + 1 { return .none }
        return isWritten ? .clear : .dim
    }

    /// What a person is told, in sentences.
    private func words(
        _ verdict: Suspicion, _ sign: Heartbeat.Sign, _ still: Double, _ others: [Suspicion.Observation]
    ) -> String {
        let seconds = Int(still)
        let place = place(sign.phase, sign.step)
        func silence(_ other: Int) -> String {
            let last = others[other].pulse.map { ", last seen \(self.place($0.phase, $0.step))" } ?? ""
            return "rank \(other) on \(hosts[other]): no sign of life\(last)"
        }
        switch verdict {
        case .itself:
            return "rank \(rank) on \(hosts[rank]): no progress for \(seconds) s while \(place). Does its file system "
                + "still answer?"
        case .silent(let ranks):
            return ranks.map(silence).joined(separator: "; ")
                + ". Rank \(rank) has waited for \(seconds) s. Was it stopped, or is its node cut off?"
        case .lost(let other):
            return silence(other) + ". Rank \(rank) has looked for one for \(Int(others[other].silent)) s. Was it "
                + "stopped, or is its node cut off?"
        case .stuck:
            return "rank \(rank) on \(hosts[rank]): all ranks have waited for each other for \(seconds) s while "
                + "\(place). "
                + (others.indices.contains { $0 != rank && others[$0].pulse == nil }
                    ? "Was one of them stopped, or is MPI, or the network under it, stuck?"
                    : "MPI, or the network under it, is stuck.")
        case .blind:
            return "rank \(rank) on \(hosts[rank]): has waited for the others for \(seconds) s while \(place), and "
                + "sees none of them. Does the file system of the run folder still answer?"
        }
    }

    private func place(_ phase: Heartbeat.Phase, _ step: Int) -> String {
        phase.isBeforeSteps ? phase.rawValue : "\(phase.rawValue), step \(step)"
    }

    /// Ends this process, at which the launcher ends the others. MPI is not asked: its thread is the one that hangs.
    private func end(_ message: String) -> Never {
        AbruptEnd.saying(
            "\(message) The run is ended (run.watchdog: \(Int(limit))); --resume auto goes on from the latest checkpoint"
        )
    }

    // MARK: - The thread that shows and looks around

    private func show() {
        guard let folder else { return }
        let sign = heartbeat.sign
        let stillness = stillness.withLock { $0 }
        let isWritten = folder.write(
            Pulse(
                rank: rank, host: hosts[rank], process: getpid(),
                count: pulses.wrappingAdd(1, ordering: .relaxed).newValue, step: sign.step, phase: sign.phase,
                isWaiting: stillness.isWaiting, still: stillness.seconds))
        // Many ranks that read the signs of many take time: only where something is amiss. Else each is looked after by one.
        let isAmiss = stillness.isWaiting && stillness.seconds >= limit / 2
        for other in hosts.indices where other != rank && (isAmiss || other == (rank + 1) % hosts.count) {
            let now = Self.now
            let pulse = folder.read(rank: other)
            seen.withLock { $0[other].look(pulse, now: now) }
        }
        shown.withLock { $0 = (Self.now, isWritten) }
    }
}
