import Foundation

extension CheckpointWriter {
    /// What has just been done of a checkpoint: where tests look, stop, or end the process.
    package enum Stage: Equatable, Sendable {
        /// The folder of the work is there, empty.
        case begun
        /// That writer's file is on the disk.
        case rankFile(Int)
        case index, commit
        /// The folder has its name.
        case renamed
        /// An earlier checkpoint has lost its name and is about to be removed (``CheckpointRetention``).
        case retention
    }

    /// Ends the process by SIGKILL at the stage that the environment names: `FPDM_CRASH_AT=POINT[:WRITER]`, with points
    /// `save.begun`, `save.rank-file`, `save.index`, `save.commit`, `save.renamed` and `save.retention`.
    ///
    /// `save.rank-file` is every writer's unless one is named. For tests of what a process leaves behind.
    package static func crash(at stage: Stage) {
        guard let wanted = crashPoint else { return }
        let (point, writer) = stage.crashPoint
        guard wanted == point || wanted == "\(point):\(writer)" else { return }
        kill(getpid(), SIGKILL)
    }

    private static let crashPoint = ProcessInfo.processInfo.environment["FPDM_CRASH_AT"]
}

extension CheckpointWriter.Stage {
    /// As the environment names it, and the writer that gets there.
    fileprivate var crashPoint: (name: String, writer: Int) {
        switch self {
        case .begun: ("save.begun", 0)
        case .rankFile(let writer): ("save.rank-file", writer)
        case .index: ("save.index", 0)
        case .commit: ("save.commit", 0)
        case .renamed: ("save.renamed", 0)
        case .retention: ("save.retention", 0)
        }
    }
}
