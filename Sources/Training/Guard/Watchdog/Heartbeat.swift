import Distributed
import Synchronization

/// What a rank's training thread is doing, as its other threads see it.
final class Heartbeat: Sendable {
    /// What a rank does between two meetings with the others.
    enum Phase: String, CaseIterable, Codable, Sendable {
        case starting
        case staging = "copying data"
        case reading = "reading samples"
        case computing
        case exchanging = "exchanging gradients"
        case updating = "updating weights"
        case validating
        case saving

        /// Whether reading and writing files is progress.
        var isOnFiles: Bool {
            switch self {
            case .starting, .staging, .reading, .validating, .saving: true
            case .computing, .exchanging, .updating: false
            }
        }

        /// Times the watchdog's limit that a rank may show no progress outside of MPI: what is synced, or waits for a lock
        /// (`RunFolder.claim`: a minute), moves nothing that could be seen; and what another job copies may take any time.
        func patience(limit: Double) -> Double {
            switch self {
            case .starting: max(Suspicion.slowness, 120 / limit)
            case .saving: Suspicion.slowness
            case .staging: .infinity
            case .reading, .computing, .exchanging, .updating, .validating: 1
            }
        }

        /// Whether there are no steps yet.
        var isBeforeSteps: Bool { self == .starting || self == .staging }

        fileprivate var number: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    private let phase = Atomic<Int>(0)
    private let step = Atomic<Int>(0)
    private let beats = Atomic<UInt64>(0)
    private let calls: CallCounter

    /// - Parameter calls: of MPI, in which a rank waits for others.
    init(calls: CallCounter) { self.calls = calls }

    /// Says what begins now. From the training thread.
    ///
    /// - Parameter step: the step that it is for; nil: the same as before.
    func enter(_ phase: Phase, step: Int? = nil) {
        self.phase.store(phase.number, ordering: .relaxed)
        if let step { self.step.store(step, ordering: .relaxed) }
        beat()
    }

    /// Says that something was done. From the training thread.
    func beat() { beats.wrappingAdd(1, ordering: .relaxed) }

    /// What can be seen of it.
    struct Sign: Equatable, Sendable {
        let phase: Phase
        /// Steps done, with the one that is under way.
        let step: Int
        /// Other with any progress.
        let progress: UInt64
        /// Inside a call of MPI: waits for others, as a rule.
        let isInMPI: Bool
    }

    var sign: Sign {
        let calls = calls.value
        return Sign(
            phase: Phase.allCases[phase.load(ordering: .relaxed)], step: step.load(ordering: .relaxed),
            progress: beats.load(ordering: .relaxed) &+ calls, isInMPI: calls % 2 == 1)
    }
}
