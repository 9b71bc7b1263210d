import Distributed
import Jobs
import Reporting

/// Watches over a run while it trains: hears signals and the clock, so that it is saved before it has to end, and ends it
/// where it hangs.
final class RunGuard {
    /// What the rank is doing, for its watchdog.
    let heartbeat: Heartbeat
    private let world: Communicator
    private let channel: StopChannel
    private let signals: StopSignals
    /// On rank 0, which decides for all.
    private let deadline: RunDeadline?
    private var clock: RunClock
    private let pulses: PulseFolder
    private let watchdog: Watchdog?
    /// This rank's own, once it has one: nothing takes it back.
    private var wish: StopWish.Cause?
    /// The lowest rank's, once all have heard it.
    private var heardWish: StopWish?
    /// What is under way, and since when.
    private var work = (RunClock.Work.step, since: ContinuousClock.now)
    private var isOver = false

    /// Begins to watch. Collective.
    ///
    /// - Parameters:
    ///   - hosts: by rank.
    ///   - checkpointBytes: what is saved.
    ///   - spent: seconds since the process began.
    ///   - signals: which are caught already.
    init(
        _ job: ResolvedJob, runtime: MPIRuntime, hosts: [String], checkpointBytes: Int, spent: Double,
        signals: StopSignals
    ) throws {
        world = runtime.world
        self.signals = signals
        channel = try StopChannel(world)
        deadline = world.rank == 0 ? RunDeadline(job.run.timeLimit, spent: spent) : nil
        clock = RunClock(checkpointBytes: checkpointBytes)
        heartbeat = Heartbeat(calls: runtime.calls)
        pulses = PulseFolder(run: job.run.directory)
        watchdog =
            job.run.watchdog == 0
            ? nil
            : Watchdog(
                rank: world.rank, hosts: hosts, limit: Double(job.run.watchdog), heartbeat: heartbeat, folder: pulses)
        // Nobody shows a sign of life before there is a place for it.
        if world.rank == 0, watchdog != nil { pulses.renew() }
        try world.barrier()
        watchdog?.start()
    }

    /// Seconds left of the run's time, where it has an end; on rank 0.
    var secondsLeft: Double? { deadline?.left }

    // MARK: - In a step, or a validation

    /// Says what is begun.
    func begin(_ work: RunClock.Work) { self.work = (work, .now) }

    /// Whether this rank is to leave the rest of a long step, or validation, out, because some rank wishes to stop. To be
    /// asked between microbatches, often enough to be the proof that this rank is getting on.
    func dropsWork() -> Bool {
        heartbeat.beat()
        if let heardWish { return isLong || heardWish.cause == .timeIsUp }
        tell()
        channel.listen()
        return channel.hasSent || channel.isHeard
    }

    /// Tells the others of this rank's wish to stop, if it has one, while they compute what takes long. Each rank looks
    /// at its own clock: whoever finds it long first interrupts all.
    func tell() {
        if wishes(inWork: true), isLong || wish == .timeIsUp { channel.send() }
    }

    /// Adds what this rank has to say at the end of a step.
    func vote(_ ballot: inout StepVote.Ballot) {
        if wishes(inWork: ballot.isDropped) { ballot.wish = ownWish }
        ballot.hasSentWish = channel.hasSent
    }

    /// Takes in what all had to say. Collective.
    func heard(_ outcome: StepVote.Outcome) {
        guard let wish = outcome.wish else { return }
        heardWish = wish
        channel.settle(senders: outcome.senders)
    }

    /// What all have to say where a validation was dropped, and no vote follows. Collective.
    func hearAll() throws -> StopWish? {
        let own = ownWish?.number(ranks: world.size) ?? -.infinity
        heardWish = StopWish(number: try world.allReduce(own, .max), ranks: world.size)
        channel.settle()
        return heardWish
    }

    private var ownWish: StopWish? { wish.map { StopWish(rank: world.rank, cause: $0) } }

    private var isLong: Bool { clock.isLong(work.0, after: (.now - work.since).seconds) }

    /// Whether this rank wishes to stop.
    ///
    /// - Parameter inWork: whether only what cannot wait for the end of the step counts.
    private func wishes(inWork: Bool) -> Bool {
        if wish == nil {
            if let signal = signals.caught {
                wish = .signal(signal)
            } else if let left = deadline?.left,
                inWork ? clock.mustSave(left: left) : clock.mustStop(left: left)
            {
                wish = .timeIsUp
            }
        }
        return wish != nil
    }

    // MARK: - Between steps

    func measured(_ work: RunClock.Work, _ seconds: Double) { clock.measured(work, seconds) }

    func measured(save seconds: Double) { clock.measured(save: seconds) }

    /// Watches no more. Collective, on all ranks alike; a second call does nothing.
    func end() {
        guard !isOver else { return }
        isOver = true
        channel.settle()
        watchdog?.stop()
        world.orAbort { try world.barrier() }
        if world.rank == 0, watchdog != nil { pulses.remove() }
    }
}
