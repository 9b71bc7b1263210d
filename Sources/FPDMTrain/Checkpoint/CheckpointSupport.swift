import Checkpoints

/// What the checkpoint commands share.
enum CheckpointSupport {
    /// Opens what a path stands for, and says which later ones are damaged.
    static func open(_ path: String) throws -> CheckpointReader {
        try CheckpointStore.open(path) { _, reason in Console.log.notice("skipping \(reason)") }
    }
}
