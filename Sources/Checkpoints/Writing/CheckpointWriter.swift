import Foundation
import Storage
import Synchronization

/// Writes a checkpoint whole or not at all; several ranks may share the work.
///
/// All files are written into a folder `.partial-...` beside the place, `COMMIT` last, each is brought to the disk, and
/// the folder then takes its name by `rename`. Writers that are stopped anywhere leave earlier checkpoints as they
/// were and no half one under a name that anyone reads.
///
/// The first rank begins and tells the others the path of the work; each writes its rank file and tells the first its
/// digest; the first finishes. What the ranks tell each other is the caller's to carry.
///
///     let writer = rank == 0 ? try .begin(step: step, run: run) : CheckpointWriter(work: told)
///     let digest = try writer.writeRankFile(pieces, writer: rank, of: ranks)
///     if rank == 0 { path = try writer.finish(layout: layout, metadata: metadata, digests: digests) }
public struct CheckpointWriter: Sendable {
    /// The folder of the work.
    public let work: String
    private let after: @Sendable (Stage) throws -> Void

    /// A writer beside the one that began.
    ///
    /// - Parameter work: that writer's.
    public init(work: String) { self.init(work: work, after: Self.crash) }

    /// - Parameter after: is told of each stage; what it throws counts as a failure of that stage.
    package init(work: String, after: @escaping @Sendable (Stage) throws -> Void) {
        (self.work, self.after) = (work, after)
    }

    /// Makes sure of the place, `RUN/checkpoints/step-0001000`, and makes the folder of the work.
    ///
    /// A folder of that name that does not verify is renamed to `.bad-...`.
    ///
    /// - Parameter run: the run's folder; made if it is missing.
    /// - Throws: ``CheckpointError``, `.exists`, if there is a valid checkpoint of that step; `StorageError` if the
    ///   folder cannot be made.
    public static func begin(step: Int, run: String) throws -> CheckpointWriter {
        try begin(step: step, run: run, after: crash)
    }

    /// - Parameter after: as in ``init(work:after:)``.
    package static func begin(
        step: Int, run: String, after: @escaping @Sendable (Stage) throws -> Void
    ) throws -> CheckpointWriter {
        precondition(step >= 0, "a step is counted from 0")
        let folder = "\(run)/\(CheckpointNames.folder)"
        if try !Files.exists(folder) {
            try AtomicFile.createDirectory(folder)
            try AtomicFile.syncDirectory(run)
        }
        try makeWay("\(folder)/\(CheckpointNames.step(step))")
        let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
        // The process's number: a second program at work in the same run does not meddle with this one's files.
        let writer = CheckpointWriter(
            work: "\(folder)/\(CheckpointNames.work(step))\(getpid())-\(number)", after: after)
        try AtomicFile.createDirectory(writer.work, exclusive: true)
        do {
            try after(.begun)
        } catch {
            writer.abandon()
            throw error
        }
        return writer
    }

    private static let counter = Atomic<Int>(0)

    private static func makeWay(_ path: String) throws {
        guard try Files.exists(path) else { return }
        do {
            _ = try CheckpointReader.open(path)
        } catch let error as CheckpointError where error.isDamage {
            try CheckpointStore.setAside(path)
            return
        }
        throw CheckpointError(.exists, path, "a valid checkpoint of this step is there already; it is left as it is")
    }

    /// Writes the file of one writer; returns when its bytes are on the disk.
    ///
    /// Values are written from where they are, at most 4 MiB at a time, and read again.
    ///
    /// - Parameters:
    ///   - pieces: no two of the same tensor; perhaps none, there is a file all the same.
    ///   - writer: from 0 to `writers` - 1.
    /// - Returns: what ``finish(layout:metadata:digests:)`` needs of it.
    /// - Throws: `StorageError` if the disk is full or fails, what comes back is not what was written, or the folder of
    ///   the work is not to be seen here.
    public func writeRankFile(_ pieces: [CheckpointPiece], writer: Int, of writers: Int) throws -> CheckpointDigest {
        precondition((0..<writers).contains(writer), "writer \(writer) of \(writers)")
        precondition(Set(pieces.map(\.extent.path)).count == pieces.count, "two pieces are of the same tensor")
        guard try Files.isDirectory(work) else {
            throw StorageError(
                .io, work,
                "the folder that the first rank has made is not to be seen here; the run's folder must be "
                    + "on a file system that all nodes share")
        }
        let name = CheckpointNames.rank(writer, of: writers)
        try CheckpointRankFile.write(pieces, to: "\(work)/\(name)")
        try CheckpointRankFile.requireWritten(pieces, at: "\(work)/\(name)")
        let digest = try CheckpointDigest(of: name, in: work)
        try after(.rankFile(writer))
        return digest
    }

    /// Writes what vouches for the rank files, and puts the folder in its place. For the writer that began.
    ///
    /// - Parameters:
    ///   - layout: the extents of each writer's pieces, in the writers' order. Together they are every row of each
    ///     tensor once; a tensor without elements needs an extent of one writer.
    ///   - metadata: of the step that was begun.
    ///   - digests: of all rank files, in the writers' order.
    /// - Returns: the checkpoint's path.
    /// - Throws: `StorageError` if the disk is full or fails, or another program has saved that step meanwhile.
    public func finish(
        layout: [[CheckpointExtent]], metadata: CheckpointMetadata, digests: [CheckpointDigest]
    ) throws -> String {
        let names = layout.indices.map { CheckpointNames.rank($0, of: layout.count) }
        precondition(digests.map(\.name) == names, "digests of \(digests.map(\.name)), not of \(names)")
        let folder = Files.folder(of: work)
        precondition(
            work.hasPrefix("\(folder)/\(CheckpointNames.work(metadata.step))"),
            "metadata of step \(metadata.step) for \(work)")
        let path = "\(folder)/\(CheckpointNames.step(metadata.step))"
        let index = CheckpointIndex(
            metadata: metadata, files: digests, tensors: CheckpointIndex.tensors(of: layout, in: names))
        try index.write(to: "\(work)/\(CheckpointNames.index)")
        try after(.index)
        let digest = try CheckpointDigest(of: CheckpointNames.index, in: work)
        // Brings the names of all files to the disk too.
        try AtomicFile.write(CheckpointCommit.text(digest), to: "\(work)/\(CheckpointNames.commit)")
        try after(.commit)
        guard try CheckpointCommit.read(in: work) == digest, try CheckpointIndex(readingIn: work).isSame(as: index)
        else {
            throw StorageError(.io, work, "what vouches for the rank files does not come back as it was written")
        }
        try AtomicFile.rename(from: work, to: path)
        try AtomicFile.syncDirectory(folder)
        try after(.renamed)
        return path
    }

    /// Removes the folder of the work, for instance after an error. What cannot be removed is swept up at the next
    /// start (``CheckpointStore/cleanPartials()``).
    public func abandon() { try? AtomicFile.removeTree(work) }
}

extension CheckpointWriter {
    /// Does it all in one process.
    ///
    /// - Parameters:
    ///   - tensors: whole, no two of the same group and name.
    ///   - run: the run's folder; made if it is missing.
    /// - Returns: the checkpoint's path.
    /// - Throws: as the parts. Then nothing has changed for readers.
    public static func write(
        _ tensors: [CheckpointPiece], metadata: CheckpointMetadata, run: String
    ) throws -> String {
        try write([tensors], metadata: metadata, run: run, after: crash)
    }

    /// The same with the work of several writers, one after the other.
    static func write(
        _ shares: [[CheckpointPiece]], metadata: CheckpointMetadata, run: String,
        after: @escaping @Sendable (Stage) throws -> Void
    ) throws -> String {
        let writer = try begin(step: metadata.step, run: run, after: after)
        do {
            let digests = try shares.enumerated().map { number, pieces in
                try writer.writeRankFile(pieces, writer: number, of: shares.count)
            }
            return try writer.finish(layout: shares.map { $0.map(\.extent) }, metadata: metadata, digests: digests)
        } catch {
            writer.abandon()
            throw error
        }
    }
}
