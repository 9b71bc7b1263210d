import Checkpoints
import Glibc
import Jobs
import Reporting
import Storage

/// The folder of a run: `job.yaml`, `metrics.jsonl`, `checkpoints/`, and `lock`, which the run holds that writes here.
public final class RunFolder {
    /// The first line of a run's `job.yaml`, by which it is told from a file that a person put there.
    static let mark = "# The job of the run in this folder, as `fpdm train` resolved it."

    public let path: String
    private var lock: FileLock?

    public init(_ path: String) { self.path = path }

    public var store: CheckpointStore { CheckpointStore(run: path) }

    private var jobFile: String { path + "/job.yaml" }
    private var lockFile: String { path + "/lock" }

    /// Refuses a folder that exists.
    func requireNew() throws {
        guard try Files.exists(path) else { return }
        throw Failure(
            .cannotCreate,
            "\(path): this run folder exists. Go on with --resume auto, or choose another with "
                + "--set run.directory=PATH")
    }

    /// Claims the folder, if it exists, for as long as this object lives.
    ///
    /// - Parameters:
    ///   - patience: how long to wait for another process, which may be one that is just being ended.
    ///   - note: is told that it waits.
    func claim(waiting patience: Duration = .seconds(60), note: (String) -> Void = { _ in }) throws {
        guard lock == nil, try Files.exists(path) else { return }
        let clock = ContinuousClock()
        let deadline = clock.now + patience
        lock = try FileLock(lockFile)
        if lock == nil, clock.now < deadline {
            let holder = FileLock.holder(of: lockFile).map { " (\($0))" } ?? ""
            note(
                "\(path): another process trains in this run folder; waiting for it for \(patience.components.seconds) s"
                    + holder)
        }
        while lock == nil, clock.now < deadline {
            usleep(250_000)
            lock = try FileLock(lockFile)
        }
        if let lock {
            if let warning = lock.warning { note(warning) }
            return
        }
        throw Failure(
            .cannotCreate,
            "\(path): another process trains in this run folder. Wait for it, or end it, and try again")
    }

    /// Refuses to go on where another process has taken the folder from this one.
    func requireClaim() throws {
        guard let lock, !lock.isHeld else { return }
        throw Failure(
            .cannotCreate,
            "\(path): another process trains in this run folder now: this one was stopped for so long that it was taken "
                + "for dead, where the file system gives no locks")
    }

    /// Refuses to begin a run over files that are not a run's.
    func requireNothingForeign() throws {
        for (file, what) in [(jobFile, "job file"), (path + "/metrics.jsonl", "file of metrics")] {
            guard try Files.exists(file), try !isOurs() else { continue }
            throw Failure(
                .cannotCreate,
                "\(file): this \(what) is not that of a run, and beginning one here would replace it. Move it away, or "
                    + "choose another folder with --set run.directory=PATH")
        }
    }

    /// Whether the folder's `job.yaml` was written by a run.
    private func isOurs() throws -> Bool {
        guard try Files.exists(jobFile) else { return false }
        return String(decoding: try Files.readRegular(jobFile, most: JobConfiguration.mostBytes), as: UTF8.self)
            .hasPrefix(Self.mark)
    }

    /// Refuses to go on, in this folder, from a checkpoint of another run, or from one that has later ones behind it.
    func requireSequel(to reader: CheckpointReader, skipping damaged: [String] = []) throws {
        let committed = try store.committed().filter { one in !damaged.contains { Files.isSame($0, one.path) } }
        let isOwn = committed.contains { Files.isSame($0.path, reader.path) }
        let step = reader.metadata.step
        if isOwn {
            guard let last = committed.last, last.step > step else { return }
            throw Failure(
                .cannotCreate,
                "\(path): holds a later checkpoint, \(last.path), which going on from step \(step) would have to "
                    + "replace. Choose another folder with --set run.directory=PATH, or move the later ones away")
        }
        guard committed.isEmpty, try !Files.exists(path + "/metrics.jsonl"), try !Files.exists(jobFile) else {
            throw Failure(
                .cannotCreate,
                "\(path): is the folder of another run than \(reader.path), and going on here would mix the two. "
                    + "Choose a new folder with --set run.directory=PATH")
        }
    }

    /// Makes the folder and records the job.
    ///
    /// A folder that was not there when it was claimed must be this run's to make: another process may have begun
    /// a run in it meanwhile.
    ///
    /// - Parameters:
    ///   - job: as `ResolvedJob` prints it.
    ///   - note: is told what a person should know.
    func prepare(job: String, exclusive: Bool, note: (String) -> Void = { _ in }) throws {
        let isNew = lock == nil
        try AtomicFile.createDirectory(path, exclusive: exclusive || isNew)
        do {
            try claim(note: note)
        } catch let error as StorageError where isNew {
            // Where no lock is to be had, no folder is left to be stumbled over; one with anything in it stays.
            unlink(lockFile)
            rmdir(path)
            throw error
        }
        if try isNew && Files.exists(jobFile) {
            throw Failure(
                .cannotCreate,
                "\(path): another process has begun a run in this folder meanwhile; --resume auto goes on with it")
        }
        try AtomicFile.write("\(Self.mark)\n\(job)", to: jobFile)
        cleanPartials()
    }

    /// Removes what saves that were stopped have left, in a folder that this object has claimed.
    func cleanPartials() {
        if lock != nil { store.cleanPartials() }
    }
}
