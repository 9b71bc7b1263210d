import Foundation
import Storage
import Synchronization

/// Writes checkpoints whole or not at all.
///
/// All files are written into a folder `.partial-...` beside the place, `COMMIT` last, each is brought to the disk, and
/// the folder then takes its name by `rename`. A writer that is stopped anywhere leaves earlier checkpoints as they
/// were and no half one under a name that anyone reads.
///
/// `write` does it all in one process. Its parts stand for themselves, so that several writers can share the work: one
/// begins, each writes its rank file, the first then finishes.
public struct CheckpointWriter: Sendable {
    /// What has just been done; tests stop there.
    enum Stage: Equatable {
        case begun
        case rankFile(Int)
        case index, commit, renamed
    }

    /// The checkpoint's place.
    let path: String
    /// The folder of the work.
    let work: String

    /// Writes `RUN/checkpoints/step-0001000`.
    ///
    /// A folder of that name that does not verify is renamed to `.bad-...`. Values are written from where they are,
    /// at most 4 MiB at a time; the call returns when all bytes are on the disk.
    ///
    /// - Parameters:
    ///   - tensors: no two of the same group and name; left alone until the call returns.
    ///   - run: the run's folder; made if it is missing.
    /// - Returns: the checkpoint's path.
    /// - Throws: ``CheckpointError``, `.exists`, if there is a good checkpoint of that step; `StorageError` if the disk
    ///   is full or fails. Then nothing has changed for readers.
    public static func write(
        _ tensors: [CheckpointTensor], metadata: CheckpointMetadata, run: String
    ) throws -> String {
        try write(tensors, metadata: metadata, run: run, writers: 1) { _ in }
    }

    /// The same with the work of several writers, done one after the other.
    static func write(
        _ tensors: [CheckpointTensor], metadata: CheckpointMetadata, run: String, writers: Int,
        after: (Stage) throws -> Void
    ) throws -> String {
        let writer = try CheckpointWriter(step: metadata.step, run: run)
        do {
            try after(.begun)
            var digests: [CheckpointDigest] = []
            for number in 0..<writers {
                digests.append(try writer.writeRankFile(tensors, writer: number, of: writers))
                try after(.rankFile(number))
            }
            return try writer.finish(tensors.map { ($0.group, $0.name, $0.shape) }, metadata, digests, after: after)
        } catch {
            // What cannot be removed either is swept up at the next start.
            try? AtomicFile.removeTree(writer.work)
            throw error
        }
    }
}

extension CheckpointWriter {
    /// Makes sure of the place and makes the folder of the work.
    init(step: Int, run: String) throws {
        precondition(step >= 0, "a step is counted from 0")
        let folder = "\(run)/\(CheckpointNames.folder)"
        path = "\(folder)/\(CheckpointNames.step(step))"
        let number = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
        // The process's number: a second program at work in the same run does not meddle with this one's files.
        work = "\(folder)/\(CheckpointNames.partial)\(CheckpointNames.step(step))-\(getpid())-\(number)"
        if try !Files.exists(folder) {
            try AtomicFile.createDirectory(folder)
            try AtomicFile.syncDirectory(run)
        }
        try makeWay()
        try AtomicFile.createDirectory(work, exclusive: true)
    }

    private static let counter = Atomic<Int>(0)

    private func makeWay() throws {
        guard try Files.exists(path) else { return }
        do {
            _ = try CheckpointReader.open(path)
        } catch let error as CheckpointError where error.kind == .damaged || error.kind == .missing {
            _ = try CheckpointStore.setAside(path)
            return
        }
        throw CheckpointError(.exists, path, "a good checkpoint of this step is there already; it is left as it is")
    }

    /// Writes the file of writer `writer` of `writers`; `tensors` are the same for all, values that others save apart.
    func writeRankFile(_ tensors: [CheckpointTensor], writer: Int, of writers: Int) throws -> CheckpointDigest {
        precondition(Set(tensors.map(\.path)).count == tensors.count, "two tensors have the same group and name")
        let name = CheckpointNames.rank(writer, of: writers)
        let pieces = CheckpointCut.pieces(of: tensors.map { ($0.group, $0.shape) }, writer: writer, of: writers)
        try CheckpointRankFile.write(tensors, pieces, to: "\(work)/\(name)")
        return try CheckpointDigest(of: name, in: work)
    }

    /// Writes what vouches for the rank files, and puts the folder in its place.
    ///
    /// - Parameter digests: of all rank files, in the writers' order.
    /// - Returns: the checkpoint's path.
    func finish(
        _ tensors: [(group: String, name: String, shape: [Int])], _ metadata: CheckpointMetadata,
        _ digests: [CheckpointDigest], after: (Stage) throws -> Void = { _ in }
    ) throws -> String {
        var pieces = [[CheckpointIndex.Piece]](repeating: [], count: tensors.count)
        let shapes = tensors.map { ($0.group, $0.shape) }
        for (writer, digest) in digests.enumerated() {
            for piece in CheckpointCut.pieces(of: shapes, writer: writer, of: digests.count) {
                pieces[piece.tensor].append(CheckpointIndex.Piece(file: digest.name, rows: piece.rows))
            }
        }
        let indexed = zip(tensors, pieces).map { tensor, pieces in
            CheckpointIndex.Tensor(group: tensor.group, name: tensor.name, shape: tensor.shape, pieces: pieces)
        }
        let index = CheckpointIndex(metadata: metadata, files: digests, tensors: indexed)
        try index.write(to: "\(work)/\(CheckpointNames.index)")
        try after(.index)
        let digest = try CheckpointDigest(of: CheckpointNames.index, in: work)
        // Brings the names of all files to the disk too.
        try AtomicFile.write(CheckpointCommit.text(digest), to: "\(work)/\(CheckpointNames.commit)")
        try after(.commit)
        try AtomicFile.rename(from: work, to: path)
        try AtomicFile.syncDirectory(Files.folder(of: path))
        try after(.renamed)
        return path
    }
}
