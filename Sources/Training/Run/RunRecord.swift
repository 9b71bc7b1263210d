import CPlatform
import Distributed
import Foundation
import Reporting
import Storage

/// What a run's `runs.jsonl` holds of each start: where and with what it ran, and how that ended.
enum RunRecord {
    /// A line at each start.
    struct Start: Codable, Equatable {
        /// A node, each once.
        struct Host: Codable, Equatable {
            let name: String
            /// What its processor is called, and how many logical ones it has for the job.
            let processor: String
            let processors: Int
        }

        /// A rank, in their order.
        struct Rank: Codable, Equatable {
            let host: String
            /// The logical processors that it may run on, such as `0-3,8`.
            let processors: String
            let process: Int32
        }

        var event = "start"
        let time: String
        /// Steps that had been done.
        let step: Int
        let version: String
        /// The source's, as git names it, with a + where it was changed; empty where the build did not know.
        let revision: String
        let command: [String]
        let folder: String
        let hosts: [Host]
        let ranks: [Rank]
        /// Of each rank.
        let threads: Int
        let libraries: [String: String]
        /// Slurm's numbers, where it runs the job.
        let slurm: [String: String]
    }

    /// A line at each end that the program could see.
    struct End: Codable, Equatable {
        var event = "end"
        let time: String
        /// Steps that have been done.
        let step: Int
        let code: Int32
        let reason: String
    }

    /// What rank 0 hears from each rank.
    private struct Facts: Codable {
        let rank: Start.Rank
        let host: Start.Host
    }

    /// What is known as a run starts. Collective.
    static func start(_ runtime: MPIRuntime, step: Int, threads: Int, matrix: String) throws -> Start {
        let facts = Facts(
            rank: Start.Rank(
                host: runtime.hostName, processors: NodeProcessors.list(ProcessorAffinity.mask), process: getpid()),
            host: Start.Host(
                name: runtime.hostName, processor: NodeProcessors.model, processors: NodeProcessors.current.count))
        let text = try runtime.world.agree { String(decoding: try JSONEncoder().encode(facts), as: UTF8.self) }
        let gathered = try runtime.world.allGather(text)
        let all = try runtime.world.agree {
            try gathered.map { try JSONDecoder().decode(Facts.self, from: Data($0.utf8)) }
        }
        let environment = ProcessInfo.processInfo.environment
        return Start(
            time: now, step: step, version: ProgramVersion.current, revision: String(cString: fpdm_revision()),
            command: CommandLine.arguments, folder: FileManager.default.currentDirectoryPath,
            hosts: all.map(\.host).reduce(into: []) { known, host in
                if !known.contains(where: { $0.name == host.name }) { known.append(host) }
            },
            ranks: all.map(\.rank), threads: threads,
            libraries: ["mpi": runtime.libraryVersion, "matrices": matrix, "hdf5": HDF5Version.current],
            slurm: environment.filter { slurmNames.contains($0.key) })
    }

    private static let slurmNames: Set = [
        "SLURM_JOB_ID", "SLURM_JOB_NAME", "SLURM_JOB_PARTITION", "SLURM_JOB_NODELIST", "SLURM_ARRAY_JOB_ID",
        "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT", "SLURM_CLUSTER_NAME",
    ]

    static func end(step: Int, code: Int32, reason: String) -> End {
        End(time: now, step: step, code: code, reason: reason)
    }

    /// What a line says of a start, or of an end.
    private struct Turn: Decodable {
        let event: String
        let step: Int
        let code: Int32?
    }

    /// How many starts, right before the latest one, began at a step and were stopped there, to be started again.
    static func idleStarts(run: String, at step: Int) -> Int {
        guard let data = try? Files.readRegular(run + "/runs.jsonl") else { return 0 }
        let turns = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline).compactMap {
            try? JSONDecoder().decode(Turn.self, from: Data($0.utf8))
        }
        let earlier = turns.prefix(turns.lastIndex { $0.event == "start" } ?? 0)
        var count = 0
        // From the last one back: an end, and the start that it belongs to.
        for (index, turn) in earlier.reversed().enumerated() {
            let isEnd = index.isMultiple(of: 2)
            guard turn.step == step, turn.event == (isEnd ? "end" : "start") else { break }
            if isEnd, turn.code != Failure.Status.tryAgain.rawValue { break }
            if !isEnd { count += 1 }
        }
        return count
    }

    /// Adds a line to the folder's record.
    /// - Throws: `StorageError` when it cannot be written.
    static func append(_ line: some Encodable, run: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try Files.append(line: String(decoding: try encoder.encode(line), as: UTF8.self), to: run + "/runs.jsonl")
    }

    private static var now: String { Date().ISO8601Format() }
}
