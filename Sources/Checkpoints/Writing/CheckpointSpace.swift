import Reporting
import Storage

/// Whether a disk has room for a checkpoint, before it is written.
public enum CheckpointSpace {
    /// The least bytes that a checkpoint takes: those of its values.
    public static func bytes(_ layout: [[CheckpointExtent]]) -> Int {
        layout.joined().reduce(0) { $0 + $1.count } * MemoryLayout<Float>.stride
    }

    /// Refuses a disk that certainly has no room. One that has may still run full, or meet a quota, while it is written.
    ///
    /// - Parameters:
    ///   - bytes: of a checkpoint.
    ///   - run: the run's folder, which need not exist.
    /// - Throws: `StorageError`, `.io`, with what there is and what is needed.
    public static func require(_ bytes: Int, in run: String) throws {
        guard let available = availableBytes(in: run), available < bytes else { return }
        throw StorageError(
            .io, run,
            "a checkpoint takes \(inWords(bytes)) and this disk has \(inWords(available)) free: free some space, keep fewer "
                + "checkpoints (checkpoint.keepLast), or choose a folder on another disk (run.directory)")
    }

    /// What to say of a disk that has room for a checkpoint, but not for as many as a run will leave; nil where it has.
    public static func note(_ bytes: Int, count: Int, in run: String) -> String? {
        let (all, isTooMuch) = bytes.multipliedReportingOverflow(by: count)
        guard let available = availableBytes(in: run), isTooMuch || all > available else { return nil }
        return "\(run): this run will leave \(count.grouped) checkpoints of \(inWords(bytes)), and this disk has "
            + "\(inWords(available)) free; checkpoint.keepLast says how many stay"
    }

    /// On the disk that checkpoints come to: their folder may be a link to another than the run's.
    private static func availableBytes(in run: String) -> Int? {
        Files.availableBytes(at: "\(run)/\(CheckpointNames.folder)")
    }

    private static func inWords(_ bytes: Int) -> String {
        if bytes >= 10 << 30 { return "\(bytes >> 30) GiB" }
        return bytes >= 10 << 20 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB"
    }
}
