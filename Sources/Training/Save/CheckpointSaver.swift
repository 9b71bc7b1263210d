import Checkpoints
import Compute
import Distributed
import Reporting

/// Saves a run's state while training goes on.
///
/// A save begins with a copy of what each rank holds, unless training waits for every save (`copies`). From it a thread of
/// each rank writes that rank's file. Once all have,
/// a thread of rank 0 writes what vouches for them, puts the folder in its place, and deletes what need not stay. How far
/// the threads are, ranks tell each other in the vote at the end of each step (`StepVote.Saving`). Threads do not call
/// MPI: that is for `begin`, `advance` and `finish`, which are collective.
package final class CheckpointSaver {
    /// How a save ended, on all ranks alike.
    package enum Ending {
        /// With what rank 0 has to say of it.
        case saved(SaveReport?)
        /// Its folder is gone; the message names step, rank, host and cause.
        case failed(RankFailure)
    }

    private struct Save {
        let writer: CheckpointWriter
        let metadata: CheckpointMetadata
    }

    private struct Part: Sendable {
        let digest: CheckpointDigest
        let seconds: Double
    }

    private enum Phase {
        case idle
        case writing(Save, BackgroundTask<Part>)
        /// On rank 0; the others have nothing to do.
        case committing(Save, BackgroundTask<SaveReport>?)
    }

    private let run: String
    private let retention: CheckpointRetention
    private let state: TrainingState
    /// Nil where the state itself is written, while training waits.
    private let snapshot: StateSnapshot?
    private let layout: [[CheckpointExtent]]
    private let communicator: Communicator
    private let engine: Engine
    private let after: @Sendable (CheckpointWriter.Stage) throws -> Void

    private var phase = Phase.idle
    /// How long training has stood still for the save under way.
    private var stalled = Duration.zero
    /// Of that, how long until it was written.
    private var begun = Duration.zero
    /// The latest step that is saved, or being saved.
    package private(set) var latestStep: Int?

    /// - Parameters:
    ///   - run: the run's folder.
    ///   - saved: the step that the run goes on from, where its checkpoint lies in the folder.
    ///   - copies: whether the state may change while it is written: otherwise `finish` follows `begin` at once, and a copy
    ///     of it takes no memory.
    ///   - after: is told of each stage, on the threads that write; what it throws fails the save.
    package init(
        run: String, retention: CheckpointRetention, saved: Int? = nil, copies: Bool = true, _ state: TrainingState,
        _ communicator: Communicator, _ engine: Engine,
        after: @escaping @Sendable (CheckpointWriter.Stage) throws -> Void = CheckpointWriter.crash
    ) {
        self.run = run
        self.retention = retention
        self.state = state
        self.communicator = communicator
        self.engine = engine
        self.after = after
        latestStep = saved
        snapshot = copies ? StateSnapshot(state, engine) : nil
        layout = state.checkpointLayout
    }

    /// Whether the state may change while it is written; otherwise `finish` follows `begin` at once.
    package var copies: Bool { snapshot != nil }

    /// The least bytes that a checkpoint takes, over all ranks.
    package var bytes: Int { CheckpointSpace.bytes(layout) }

    /// What this rank brings to the vote.
    package var own: StepVote.Saving {
        switch phase {
        case .idle: .done
        case .writing(_, let task): saving(task.result)
        case .committing(_, let task): task.map { saving($0.result) } ?? .done
        }
    }

    private func saving<Value>(_ result: Result<Value, any Error>?) -> StepVote.Saving {
        switch result {
        case nil: .busy
        case .success: .done
        case .failure: .failed(rank: communicator.rank)
        }
    }

    // MARK: - Phases

    /// Copies the present state, where training does not wait, and begins to write it. Nothing else is under way.
    /// Collective.
    ///
    /// - Parameter metadata: of the present step.
    /// - Returns: nil, or that it could not begin.
    /// - Throws: `RankFailure`, on all ranks alike, if the state is not finite or `metadata` throws.
    package func begin(_ metadata: () throws -> CheckpointMetadata) throws -> Ending? {
        guard case .idle = phase else { preconditionFailure("one save at a time") }
        stalled = .zero
        defer { begun = stalled }
        return try standing {
            state.completeRows(communicator)
            let isFinite = snapshot?.take(engine) ?? state.savedVectors.allSatisfy { Reductions.isFinite(engine, $0) }
            let metadata = try communicator.agree {
                guard isFinite else { throw notFinite }
                return try metadata()
            }
            let writer: CheckpointWriter
            do {
                let work = try communicator.agree {
                    communicator.rank == 0 ? try makeRoom(step: metadata.step).work : ""
                }
                writer = CheckpointWriter(work: try communicator.broadcast(work, root: 0), after: after)
            } catch let failure as RankFailure {
                return .failed(unsaved(metadata.step, failure))
            }
            phase = .writing(Save(writer: writer, metadata: metadata), write(writer))
            latestStep = metadata.step
            return nil
        }
    }

    /// Goes on to the next phase, where all ranks are at the end of theirs. Collective.
    ///
    /// - Parameter all: what the ranks brought to a vote since `begin` or the last `advance`.
    /// - Returns: how the save ended, if it did.
    package func advance(_ all: StepVote.Saving) throws -> Ending? {
        if case .idle = phase { return nil }
        precondition(snapshot != nil, "a step while the state itself is written")
        return try proceed(all)
    }

    private func proceed(_ all: StepVote.Saving) throws -> Ending? {
        if all == .busy { return nil }
        switch phase {
        case .idle: return nil
        case .writing(let save, let task):
            return try standing {
                if case .failed(let rank) = all { return try giveUp(save, task.result, failing: rank) }
                guard case .success(let part) = task.wait() else { preconditionFailure("a failure that nobody told") }
                let digests = try communicator.allGather(part.digest.description).compactMap { CheckpointDigest($0) }
                let seconds = try communicator.allReduce(part.seconds, .max)
                let task = communicator.rank == 0 ? commit(save, digests: digests, seconds: seconds) : nil
                phase = .committing(save, task)
                return nil
            }
        case .committing(let save, let task):
            if case .failed(let rank) = all {
                return try standing { try giveUp(save, task?.result, failing: rank) }
            }
            phase = .idle
            var report = try task?.wait().get()
            report?.stallSeconds = stalled.seconds
            report?.beginSeconds = begun.seconds
            return .saved(report)
        }
    }

    /// Waits for the save under way. Collective.
    ///
    /// - Returns: how it ended; nil if there is none.
    package func finish() throws -> Ending? {
        while true {
            let all = try standing {
                join()
                return try own.together(communicator)
            }
            if let ending = try proceed(all) { return ending }
            if case .idle = phase { return nil }
        }
    }

    /// Waits for this rank's thread alone, where ranks do not talk any more.
    package func join() {
        switch phase {
        case .idle: break
        case .writing(_, let task): _ = task.wait()
        case .committing(_, let task): _ = task?.wait()
        }
    }

    private func standing<Value>(_ body: () throws -> Value) rethrows -> Value {
        let clock = ContinuousClock()
        let begin = clock.now
        defer { stalled += clock.now - begin }
        return try body()
    }

    // MARK: - What is done in them

    private var notFinite: Failure {
        Failure(
            .software,
            "step \(state.step): weights, their average or moments are not finite, so that nothing was saved. Go on more "
                + "carefully from an earlier checkpoint: --resume PATH --allow-changes --set optimizer.learningRate=..., "
                + "or --set optimizer.clipNorm=1")
    }

    private func makeRoom(step: Int) throws -> CheckpointWriter {
        try CheckpointSpace.require(bytes, in: run)
        return try CheckpointWriter.begin(step: step, run: run, after: after)
    }

    private func write(_ writer: CheckpointWriter) -> BackgroundTask<Part> {
        let (rank, ranks) = (communicator.rank, communicator.size)
        let pieces = snapshot?.pieces ?? state.checkpointPieces(in: state.savedVectors)
        // The thread holds what the pieces lie in.
        nonisolated(unsafe) let memory = (state, snapshot)
        return BackgroundTask("checkpoint") {
            let clock = ContinuousClock()
            let begin = clock.now
            defer { withExtendedLifetime(memory) {} }
            let digest = try writer.writeRankFile(pieces, writer: rank, of: ranks)
            return Part(digest: digest, seconds: (clock.now - begin).seconds)
        }
    }

    /// - Parameter seconds: that the rank files took.
    private func commit(_ save: Save, digests: [CheckpointDigest], seconds: Double) -> BackgroundTask<SaveReport> {
        let (layout, retention, store, after) = (layout, retention, CheckpointStore(run: run), after)
        let (writer, metadata) = (save.writer, save.metadata)
        return BackgroundTask("checkpoint") {
            let clock = ContinuousClock()
            let begin = clock.now
            let path = try writer.finish(layout: layout, metadata: metadata, digests: digests)
            let whole = seconds + (clock.now - begin).seconds
            let (removed, troubles) = retention.apply(to: store, latest: metadata.step, after: after)
            return SaveReport(path: path, writeSeconds: whole, removed: removed, troubles: troubles)
        }
    }

    /// Ends a save that has failed somewhere. Nobody writes any more.
    ///
    /// - Parameter own: what came of this rank's part.
    private func giveUp<Value>(_ save: Save, _ own: Result<Value, any Error>?, failing: Int) throws -> Ending {
        phase = .idle
        latestStep = nil
        var failure: RankFailure?
        if case .failure(let error) = own {
            let (code, message) = Failure.describe(error)
            failure = communicator.failure(code: code, message: message)
        }
        if communicator.rank == 0 { save.writer.abandon() }
        return .failed(unsaved(save.metadata.step, try communicator.shared(failure, of: failing)))
    }

    /// A failure to save, which ends a run with one exit code whatever the cause.
    private func unsaved(_ step: Int, _ failure: RankFailure) -> RankFailure {
        RankFailure(
            rank: failure.rank, host: failure.host, code: Failure.Status.io.rawValue,
            message: "step \(step) was not saved: \(failure.message)")
    }
}
