import Checkpoints
import Compute
import Foundation
import Jobs
import Model
import Reporting
import Storage

/// Weights from other programs.
public enum WeightsImport {
    /// The job that weights are of: the one given, or else the one that their file or its folder records.
    ///
    /// - Throws: `Failure`: usage where there is neither, bad data where a file records another network.
    public static func job(
        _ given: JobConfiguration?, for weights: WeightsFile, average: WeightsFile? = nil
    ) throws -> JobConfiguration {
        let recorded = try weights.job.map { try JobConfiguration.recorded($0.text, in: $0.place) }
        guard let job = given ?? recorded else {
            throw Failure(
                .usage,
                "\(weights.path): does not say what network its weights are of; name a job file that does, with --job")
        }
        for file in [weights] + (average.map { [$0] } ?? []) {
            try job.model.requireNetwork(recordedIn: file.job?.text, of: file.path)
        }
        return job
    }

    /// Most values of a rank file of the new checkpoint, which is what stands in memory at a time.
    static let mostValues = 1 << 25

    /// Makes a run folder with one checkpoint in it: weights and their average, no optimizer.
    ///
    /// Takes memory for 128 MiB of each file's values at a time, or for a row of a tensor that is longer.
    ///
    /// - Parameters:
    ///   - average: of the weights; nil: equal to them.
    ///   - job: its model decides names and shapes; recorded in the checkpoint.
    ///   - run: nothing may be there yet.
    /// - Returns: the checkpoint's path.
    /// - Throws: `CheckpointError`, `.otherModel`, where a file does not hold the weights of the job's model;
    ///   `StorageError`, `.exists` if there is something at `run`, `.io` if it cannot be written. Then nothing is at `run`.
    public static func write(
        _ weights: WeightsFile, average: WeightsFile? = nil, job: JobConfiguration, to run: String
    ) throws -> String {
        try write(weights, average: average, job: job, to: run, most: mostValues)
    }

    static func write(
        _ weights: WeightsFile, average: WeightsFile?, job: JobConfiguration, to run: String, most: Int
    ) throws -> String {
        guard try !Files.exists(run) else {
            throw StorageError(.exists, run, "is there already; remove it or choose another folder")
        }
        let table = ParameterTable(job.model)
        for file in [weights] + (average.map { [$0] } ?? []) {
            try file.requireSame(table.extents(SavedWeights.model.rawValue), fixed: [table.positions])
        }
        // All of the run's folder: what is stopped leaves no half run under its name.
        return try AtomicFile.place(at: run, replacing: false) { work in
            let writer = try CheckpointWriter.begin(step: weights.step ?? 0, run: work)
            let path = try write(
                shares(of: table.parameters, most: most), weights, average, by: writer,
                metadata: metadata(weights, average, job))
            return run + path.dropFirst(work.count)
        }
    }

    private static func write(
        _ shares: [[Share]], _ weights: WeightsFile, _ average: WeightsFile?, by writer: CheckpointWriter,
        metadata: CheckpointMetadata
    ) throws -> String {
        let largest = shares.map { $0.reduce(0) { $0 + $1.count } }.max() ?? 0
        let (arena, (room, second)) = Arena.build("import") {
            ($0.take(largest), average == nil ? nil : $0.take(largest))
        }
        return try withExtendedLifetime(arena) {
            var digests: [CheckpointDigest] = []
            for (number, share) in shares.enumerated() {
                let model = pieces(share, .model, in: room)
                let ema = pieces(share, .ema, in: second ?? room)
                try weights.load(model)
                try average?.load(ema)
                digests.append(try writer.writeRankFile(model + ema, writer: number, of: shares.count))
            }
            let layout = shares.map { share in
                [SavedWeights.model, .ema].flatMap { kind in share.map { $0.extent(kind.rawValue) } }
            }
            return try writer.finish(layout: layout, metadata: metadata, digests: digests)
        }
    }

    private static func metadata(
        _ weights: WeightsFile, _ average: WeightsFile?, _ job: JobConfiguration
    ) -> CheckpointMetadata {
        func origin(_ file: WeightsFile) -> String {
            guard let group = file.group, let step = file.step else { return file.path }
            return "\(file.path) (\(group) of step \(step))"
        }
        var environment = ["imported": origin(weights)]
        environment["importedAverage"] = average.map(origin)
        return CheckpointMetadata(
            step: weights.step ?? 0, jobYAML: job.yaml(), labelNames: weights.labelNames, worldSize: 1,
            hosts: [ProcessInfo.processInfo.hostName],
            version: ProgramVersion.current, environment: environment)
    }
}

extension WeightsImport {
    /// Rows of a parameter.
    struct Share {
        let parameter: Parameter
        let rows: Range<Int>

        var count: Int { rows.count * rowCount }
        private var rowCount: Int { parameter.range.count / parameter.shape[0] }

        func extent(_ group: String) -> CheckpointExtent {
            CheckpointExtent(group: group, name: parameter.name, shape: parameter.shape, rows: rows)
        }
    }

    /// All rows of all parameters in order, cut into shares of at most `most` values, or a row.
    static func shares(of parameters: [Parameter], most: Int) -> [[Share]] {
        var shares: [[Share]] = [[]]
        var left = most
        for parameter in parameters {
            let rowCount = parameter.range.count / parameter.shape[0]
            var row = 0
            while row < parameter.shape[0] {
                var rows = min(max(0, left) / rowCount, parameter.shape[0] - row)
                if rows == 0 {
                    // A share that has nothing yet takes a row, however long.
                    if shares[shares.count - 1].isEmpty {
                        rows = 1
                    } else {
                        shares.append([])
                        left = most
                        continue
                    }
                }
                shares[shares.count - 1].append(Share(parameter: parameter, rows: row..<row + rows))
                left -= rows * rowCount
                row += rows
            }
        }
        return shares
    }

    private static func pieces(_ share: [Share], _ kind: SavedWeights, in room: FloatBuffer) -> [CheckpointPiece] {
        var start = 0
        return share.map { part in
            defer { start += part.count }
            return CheckpointPiece(
                group: kind.rawValue, name: part.parameter.name, shape: part.parameter.shape, rows: part.rows,
                values: room.slice(start, part.count))
        }
    }
}
