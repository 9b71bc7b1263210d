import Checkpoints
import Compute
import Datasets
import Distributed
import Foundation
import Jobs
import Model
import Reporting

/// A run in its folder: starts or goes on, trains, measures, and saves.
public final class TrainingRun {
    /// What to do about an earlier run in the same folder.
    public enum Resume: Equatable, Sendable {
        /// Refuse a folder that exists.
        case never
        /// Go on from the newest good checkpoint, or start anew where there is none.
        case auto
        /// Go on from this checkpoint.
        case checkpoint(String)
    }

    /// What a run tells about itself; called on every rank, from the training thread.
    public protocol Observer: AnyObject {
        func began(_ run: TrainingRun)
        func note(_ message: String)
        func stepped(_ report: Trainer.StepReport, seconds: Double)
        func saved(_ checkpoint: String, seconds: Double)
    }

    /// With nothing left to choose.
    public let job: JobConfiguration
    public let trainer: Trainer
    public let engine: Engine
    /// Steps that had been done when this run began.
    public let firstStep: Int
    public let runtime: MPIRuntime

    private let communicator: Communicator
    private let folder: RunFolder
    /// On rank 0.
    private let metrics: MetricsWriter?

    /// Prepares a run: checks, opens, resumes. Collective.
    ///
    /// - Parameter allowingOtherKernels: whether a resume may go on to other bits on another processor or BLAS.
    /// - Returns: nil if the run has no steps left to do.
    /// - Throws: `RankFailure`, on all ranks alike.
    public init?(
        _ job: JobConfiguration, resume: Resume, allowingOtherKernels: Bool = false, runtime: MPIRuntime,
        observer: Observer
    ) throws {
        self.runtime = runtime
        let world = runtime.world
        communicator = world
        func agreed<Value>(_ body: () throws -> Value) throws -> Value {
            try world.agree(body)
        }
        try agreed {
            if let problem = job.problems(forRanks: world.size).first {
                throw Failure(.badData, problem.description)
            }
        }
        let first = try world.broadcast(job.yaml(), root: 0)
        try agreed {
            guard job.yaml() != first else { return }
            throw Failure(
                .badData,
                "this rank read another job than rank 0: do all nodes see the same job file, and is every "
                    + "rank given the same options?")
        }
        let folder = RunFolder(job.run.directory)
        self.folder = folder
        let start = try Self.findStart(job, folder, resume, world, observer)
        let recorded = try agreed { try start.map { try ResolvedJob.recorded($0.metadata.jobYAML, in: $0.path) } }
        let threads = job.run.threads > 0 ? job.run.threads : try runtime.nodeLocal.threadsPerRank()
        let resolved = try Self.resolve(job, recorded: recorded, threads: threads, runtime: runtime)
        if let start, let recorded { try agreed { try Self.requireSameRun(job, recorded, step: start.metadata.step) } }
        if let step = start?.metadata.step, step >= resolved.training.steps {
            observer.note("\(folder.path): step \(step) was the last; nothing is left to do")
            return nil
        }
        let engine = try agreed { try Engine(threads: threads) }
        try agreed { try Self.requireSameKernels(start, engine, allowingOthers: allowingOtherKernels) }
        try agreed { try Self.requireMemory(resolved, threads: threads, runtime: runtime) }
        let dataset = try agreed { try Self.openData(resolved) }
        let trainer = try agreed {
            try Trainer(resolved, dataset: dataset, communicator: world, engine: engine)
        }
        try agreed { try Self.begin(trainer, from: start) }
        let firstStep = trainer.state.step
        metrics = try agreed {
            guard world.rank == 0 else { return nil }
            try folder.prepare(job: resolved, exclusive: resume == .never)
            return try MetricsWriter(run: folder.path, from: firstStep)
        }
        (self.job, self.engine, self.trainer, self.firstStep) = (resolved, engine, trainer, firstStep)
    }

    /// Trains until the job's steps are done; saves every `checkpoint.every` steps and at the end. Collective.
    /// - Throws: `RankFailure`, on all ranks alike.
    public func train(_ observer: Observer) throws {
        observer.began(self)
        let clock = ContinuousClock()
        while trainer.state.step < job.training.steps {
            let begin = clock.now
            let report = try trainer.step()
            let seconds = (clock.now - begin).seconds
            try record(report, seconds: seconds)
            observer.stepped(report, seconds: seconds)
            let every = job.checkpoint.every
            if report.step == job.training.steps || (every > 0 && report.step % every == 0) {
                let begin = clock.now
                let path = try save()
                observer.saved(path, seconds: (clock.now - begin).seconds)
            }
        }
    }

    // MARK: - Starting

    /// The checkpoint to go on from, chosen by rank 0 and opened by all; nil to start anew.
    private static func findStart(
        _ job: JobConfiguration, _ folder: RunFolder, _ resume: Resume, _ world: Communicator, _ observer: Observer
    ) throws -> CheckpointReader? {
        let chosen = try world.agree { () -> String in
            guard world.rank == 0 else { return "" }
            switch resume {
            case .never:
                try folder.requireNew()
                return ""
            case .auto:
                try folder.claim()
                return try folder.store.latestValid { path, reason in
                    observer.note("passing over \(path): \(reason)")
                }?.path ?? ""
            case .checkpoint(let path):
                try folder.claim()
                let checkpoint = try CheckpointStore.resolve(path)
                try folder.requireNothingLater(than: try CheckpointReader.open(checkpoint))
                return checkpoint
            }
        }
        let path = try world.broadcast(chosen, root: 0)
        return try world.agree { path.isEmpty ? nil : try CheckpointReader.open(path) }
    }

    /// The job with every `auto` replaced by what was recorded, or by what suits this machine; decided by rank 0.
    private static func resolve(
        _ job: JobConfiguration, recorded: ResolvedJob?, threads: Int, runtime: MPIRuntime
    ) throws -> JobConfiguration {
        let own = job.resolved(recorded: recorded) {
            // Both modes give the same bits, so this is a matter of memory alone.
            let bytes = Network.bytes(
                job.model, capacity: job.training.microbatchSize,
                use: .training(activations: .keep, iterations: job.training.iterationsWithGradient.max),
                threads: threads)
            let share = Int(ProcessInfo.processInfo.physicalMemory) / runtime.nodeLocal.size
            return bytes <= share / 4 ? .keep : .recompute
        }
        let choice = try runtime.world.broadcast(own.activations == .keep ? [1] : [0], root: 0)
        var resolved = own.configuration
        resolved.training.activations = choice == [1] ? .keep : .recompute
        return resolved
    }

    private static func requireSameRun(_ job: JobConfiguration, _ recorded: ResolvedJob, step: Int) throws {
        _ = try job.resumption(from: recorded, at: step)
    }

    private static func openData(_ job: JobConfiguration) throws -> ShardedDataset {
        let dataset = try ShardedDataset(path: job.data.path)
        try dataset.requireFits(job.model)
        return dataset
    }

    /// Loads what the checkpoint holds, or starts anew.
    private static func begin(_ trainer: Trainer, from start: CheckpointReader?) throws {
        guard let start else { return trainer.start() }
        try start.load(tensors(of: trainer.state))
        trainer.state.step = start.metadata.step
    }

    /// Refuses to go on with other kernels than those that the checkpoint was computed with, unless told otherwise.
    private static func requireSameKernels(
        _ start: CheckpointReader?, _ engine: Engine, allowingOthers: Bool
    ) throws {
        guard let recorded = start?.metadata.environment["backend"], recorded != engine.matrix.name, !allowingOthers
        else { return }
        let core = recorded.split(separator: " ").last.map(String.init) ?? recorded
        throw Failure(
            .badData,
            "the checkpoint was computed with \(recorded), and this is \(engine.matrix.name), which gives other bits. Go "
                + "on with OPENBLAS_CORETYPE=\(core) in the environment where this processor can run that, or with "
                + "--allow-other-kernels where other bits do not matter")
    }

    /// Refuses what cannot fit before any of it is taken.
    private static func requireMemory(_ job: JobConfiguration, threads: Int, runtime: MPIRuntime) throws {
        let table = ParameterTable(job.model)
        let (capacity, size) = (job.training.microbatchSize, runtime.world.size)
        // Weights, average and two moments; the tree of gradients; the exchange.
        let vectors = 4 + (job.training.virtualRanks / size).trailingZeroBitCount + 1 + (size > 1 ? 1 : 0)
        let activations = Network.bytes(
            job.model, capacity: capacity,
            use: .training(
                activations: job.training.activations == .keep ? .keep : .recompute,
                iterations: job.training.iterationsWithGradient.max), threads: threads)
        let needed = Double(vectors) * Double(table.flatCount) * 4 + Double(activations)
        let available = Double(ProcessInfo.processInfo.physicalMemory) / Double(runtime.nodeLocal.size)
        guard needed > available else { return }
        throw Failure(
            .badData,
            "a rank needs \(Int(needed / 1e9)) GB, and its share of this node's memory is \(Int(available / 1e9)) GB; "
                + "lower training.microbatch (now \(capacity)), set training.activations: recompute, or choose a "
                + "smaller model or fewer ranks a node")
    }

    // MARK: - Recording

    private func record(_ report: Trainer.StepReport, seconds: Double) throws {
        // Rank 0 alone writes; a full disk is noticed where all ranks meet next, at the checkpoint, or here.
        let last = report.step == job.training.steps
        guard report.step % max(job.run.metricsEvery, 1) == 0 || last else { return }
        try communicator.agree {
            try metrics?.append(
                MetricsLine(
                    step: report.step, epoch: trainer.plan.epochs(step: report.step), loss: report.loss,
                    mse: report.mse, vb: report.vb, gradientNorm: report.gradientNorm,
                    learningRate: report.learningRate,
                    iterations: [report.iterations.withoutGradient, report.iterations.withGradient],
                    seconds: seconds, samplesPerSecond: Double(job.training.globalBatch) / seconds))
        }
    }

    /// Saves the present state. Collective; rank 0 writes.
    private func save() throws -> String {
        // Each host once, in the order of its first rank.
        let hosts = try communicator.allGather(runtime.hostName).reduce(into: [String]()) { known, host in
            if !known.contains(host) { known.append(host) }
        }
        let written = try communicator.agree { () -> String in
            guard communicator.rank == 0 else { return "" }
            return try CheckpointWriter.write(
                Self.tensors(of: trainer.state), metadata: metadata(hosts: hosts), run: job.run.directory)
        }
        return try communicator.broadcast(written, root: 0)
    }

    private func metadata(hosts: [String]) -> CheckpointMetadata {
        CheckpointMetadata(
            step: trainer.state.step, jobYAML: job.yaml(), worldSize: communicator.size, hosts: hosts,
            version: ProgramVersion.current, created: CheckpointMetadata.now(),
            environment: [
                "backend": engine.matrix.name, "precision": job.training.precision.rawValue,
                "threads": String(engine.pool.threadCount),
            ])
    }

    /// Everything that training changes, as a checkpoint names it.
    static func tensors(of state: TrainingState) -> [CheckpointTensor] {
        let groups = [
            ("model", state.weights), ("ema", state.ema), ("optimizer/m", state.firstMoment),
            ("optimizer/v", state.secondMoment),
        ]
        return groups.flatMap { group, flat in
            state.table.parameters.map {
                CheckpointTensor(group: group, name: $0.name, shape: $0.shape, values: flat[$0.range])
            }
        }
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
