import Distributed
import Jobs

/// Watches over a run until it trains, while ranks look for checkpoints, open data and load weights.
///
/// The run folder may not be there yet, or be another process's: signs of life lie beside it, where that can be. Where it
/// cannot, ranks only know how long they have waited, and have ten times the patience.
final class StartGuard {
    /// What the rank is doing, for its watchdog.
    let heartbeat: Heartbeat
    private let world: Communicator
    private let folder: PulseFolder?
    private let watchdog: Watchdog?

    /// Begins to watch. Collective, with one job.
    ///
    /// - Parameter hosts: by rank.
    init(_ job: JobConfiguration, runtime: MPIRuntime, hosts: [String]) throws {
        world = runtime.world
        heartbeat = Heartbeat(calls: runtime.calls)
        guard job.run.watchdog > 0 else {
            (folder, watchdog) = (nil, nil)
            return
        }
        let made = world.rank == 0 ? PulseFolder.make(beside: job.run.directory, host: runtime.hostName) : nil
        let path = try world.broadcast(made?.path ?? "", root: 0)
        folder = path.isEmpty ? nil : PulseFolder(path)
        watchdog = Watchdog(
            rank: world.rank, hosts: hosts, limit: Double(job.run.watchdog), heartbeat: heartbeat, folder: folder)
        watchdog?.start()
    }

    /// Watches no more. Collective.
    func end() throws {
        watchdog?.stop()
        try world.barrier()
        if world.rank == 0 { folder?.remove() }
    }

    /// Where the start has failed, or there is nothing to do.
    deinit {
        watchdog?.stop()
        if world.rank == 0 { folder?.remove() }
    }
}
