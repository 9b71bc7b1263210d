import Checkpoints
import Jobs
import Reporting
import Storage

/// The folder of a run: `job.yaml`, `metrics.jsonl`, `checkpoints/`, and `lock`, which the run holds that writes here.
public final class RunFolder {
    public let path: String
    private var lock: FileLock?

    public init(_ path: String) { self.path = path }

    public var store: CheckpointStore { CheckpointStore(run: path) }

    /// Refuses a folder that exists.
    func requireNew() throws {
        guard try Files.exists(path) else { return }
        throw Failure(
            .cannotCreate,
            "\(path): this run folder exists. Go on with --resume auto, or choose another with "
                + "--set run.directory=PATH")
    }

    /// Claims the folder, if it exists, for as long as this object lives.
    func claim() throws {
        guard lock == nil, try Files.exists(path) else { return }
        lock = try FileLock(path + "/lock")
        if lock == nil {
            throw Failure(
                .tryAgain,
                "\(path): another process trains in this run folder, perhaps one that is just being ended. Wait for it, "
                    + "or end it, and try again")
        }
    }

    /// Refuses to go on from a checkpoint when the folder holds later ones, which would be in the way.
    func requireNothingLater(than reader: CheckpointReader) throws {
        let step = reader.metadata.step
        guard let last = try store.committed().last, last.step > step else { return }
        throw Failure(
            .cannotCreate,
            "\(path): holds a later checkpoint, \(last.path), which going on from step \(step) would have to "
                + "replace. Choose another folder with --set run.directory=PATH, or move the later ones away")
    }

    /// Makes the folder and records the job.
    func prepare(job: JobConfiguration, exclusive: Bool) throws {
        try AtomicFile.createDirectory(path, exclusive: exclusive)
        try claim()
        try AtomicFile.write(job.yaml(), to: path + "/job.yaml")
        store.cleanPartials()
    }
}
