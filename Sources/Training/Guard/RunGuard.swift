import Distributed
import Jobs
import Reporting

/// Watches over a run while it trains: hears signals and the clock, so that it is saved before it has to end, and ends it
/// where it hangs.
final class RunGuard {
    /// Steps that take no longer are finished when a wish to stop comes; of longer ones the begun step is dropped.
    /// Seconds.
    static let longStep = 5.0

    /// What the rank is doing, for its watchdog.
    let heartbeat: Heartbeat
    private let rank: Int
    private let channel: StopChannel
    /// On rank 0, which decides for all.
    private let deadline: RunDeadline?
    private var clock: RunClock
    private let watchdog: Watchdog?
    private let caught: [Int32]
    /// This rank's own, once it has one: nothing takes it back.
    private var wish: StopWish.Cause?
    private var isOver = false

    /// Begins to watch. Collective.
    ///
    /// - Parameters:
    ///   - hosts: by rank.
    ///   - checkpointBytes: what is saved.
    ///   - spent: seconds since the process began.
    init(_ job: ResolvedJob, runtime: MPIRuntime, hosts: [String], checkpointBytes: Int, spent: Double) throws {
        let world = runtime.world
        rank = world.rank
        channel = try StopChannel(world)
        deadline = rank == 0 ? RunDeadline(job.run.timeLimit, spent: spent) : nil
        clock = RunClock(checkpointBytes: checkpointBytes)
        heartbeat = Heartbeat(calls: runtime.calls)
        watchdog =
            job.run.watchdog == 0
            ? nil
            : Watchdog(
                rank: rank, hosts: hosts, limit: Double(job.run.watchdog), heartbeat: heartbeat,
                run: job.run.directory)
        watchdog?.start()
        caught = StopSignals.catchAll()
    }

    /// Seconds left of the run's time, where it has an end; on rank 0.
    var secondsLeft: Double? { deadline?.left }

    // MARK: - In a step

    /// Whether this rank is to leave the rest of a long step out, because some rank wishes to stop. To be asked between
    /// microbatches, often enough to be the proof that this rank is getting on.
    func dropsStep() -> Bool {
        heartbeat.beat()
        guard isLong else { return false }
        tell()
        channel.listen()
        return channel.hasSent || channel.isHeard
    }

    /// Tells the others of this rank's wish to stop, if it has one, while they compute a long step.
    func tell() {
        if isLong, wishes(inStep: true) { channel.send() }
    }

    /// Adds what this rank has to say at the end of a step.
    func vote(_ ballot: inout StepVote.Ballot) {
        if wishes(inStep: ballot.isDropped) { ballot.wish = wish.map { StopWish(rank: rank, cause: $0) } }
        ballot.hasSentWish = channel.hasSent
    }

    /// Takes in what all had to say. Collective.
    func heard(_ outcome: StepVote.Outcome) {
        if outcome.wish != nil { channel.settle(senders: outcome.senders) }
    }

    /// Whether steps take so long that one that was begun is not waited for; as the first one may.
    private var isLong: Bool { clock.longestStep.map { $0 > Self.longStep } ?? true }

    /// Whether this rank wishes to stop.
    ///
    /// - Parameter inStep: whether only what cannot wait for the end of the step counts.
    private func wishes(inStep: Bool) -> Bool {
        if wish == nil {
            if let signal = StopSignals.caught {
                wish = .signal(signal)
            } else if let left = deadline?.left,
                inStep ? clock.mustSave(left: left) : clock.mustStop(left: left)
            {
                wish = .timeIsUp
            }
        }
        return wish != nil
    }

    // MARK: - Between steps

    func measured(step seconds: Double) { clock.measured(step: seconds) }

    func measured(save seconds: Double) { clock.measured(save: seconds) }

    /// Watches no more. Collective, on all ranks alike; a second call does nothing.
    ///
    /// - Parameter keepsSignals: whether signals go on to be caught, since the process is about to end.
    func end(keepsSignals: Bool) {
        guard !isOver else { return }
        isOver = true
        channel.settle()
        watchdog?.stop()
        if !keepsSignals { StopSignals.release(caught) }
    }
}
