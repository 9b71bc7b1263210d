import Storage

/// The folder of a run: `job.yaml`, `metrics.jsonl`, `checkpoints/`.
public struct RunFolder {
    public let path: String

    public init(_ path: String) { self.path = path }

    public var store: CheckpointStore { CheckpointStore(run: path) }

    /// Refuses a folder that exists.
    func requireNew() throws {
        guard Files.exists(path) else { return }
        throw Failure(
            .cannotCreate,
            "\(path): this run folder exists. Go on with --resume auto, or choose another with "
                + "--set run.directory=PATH")
    }

    /// Refuses to go on from a checkpoint when the folder holds later ones, which would be in the way.
    func requireNothingLater(than reader: CheckpointReader) throws {
        let step = reader.facts.step
        guard let last = store.committed().last, last.step > step else { return }
        throw Failure(
            .cannotCreate,
            "\(path): holds a later checkpoint, \(last.path), which going on from step \(step) would have to "
                + "replace. Choose another folder with --set run.directory=PATH, or move the later ones away")
    }

    /// Makes the folder and records the job.
    func prepare(job: JobConfiguration, exclusive: Bool) throws {
        try AtomicFile.createDirectory(path, exclusive: exclusive)
        try AtomicFile.write(job.yaml(), to: path + "/job.yaml")
        try store.cleanPartials()
    }
}
