import Checkpoints

/// What the checkpoint commands share.
enum CheckpointSupport {
    /// Opens what a path stands for, and says which later ones are damaged.
    static func open(_ path: String) throws -> CheckpointReader {
        try CheckpointStore.open(path) { Console.log.notice("skipping \($0.reason)") }
    }
}
