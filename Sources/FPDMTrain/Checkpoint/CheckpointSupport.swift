import Checkpoints

/// What the commands share that take a checkpoint, or a run of which the latest valid one is meant.
enum CheckpointSupport {
    /// Opens what a path stands for, and says which later ones are damaged.
    static func open(_ path: String) throws -> CheckpointReader {
        try CheckpointStore.open(path) { Console.log.notice("skipping \($0.reason)") }
    }
}
