import Compute
import Storage
import Synchronization

/// A checkpoint whose every byte has been checked.
///
/// Tensors are read from the rank files piece by piece, each against its own checksum too; never through the virtual
/// data sets of `checkpoint.h5`, where a missing file would read as NaN.
public struct CheckpointReader: Sendable {
    /// The checkpoint's folder, as it was given.
    public let path: String
    /// What `COMMIT` says, which vouches for every byte: equal for equal checkpoints only.
    public let seal: String
    let index: CheckpointIndex
    private let positions: [String: Int]
    private let files: OpenRankFile

    public var metadata: CheckpointMetadata { index.metadata }

    /// Checks a checkpoint's folder from `COMMIT` down: the length and CRC-32C of each file, before HDF5 sees it.
    ///
    /// - Throws: ``CheckpointError``: `.missing` if there is no such folder, `.damaged` with the file and what is wrong,
    ///   `.tooNew`; `StorageError` of kind `.io` if the disk fails.
    public static func open(_ path: String) throws -> CheckpointReader {
        guard try Files.isDirectory(path) else {
            throw CheckpointError(
                .missing, path,
                try Files.exists(path) ? "is not the folder of a checkpoint" : "there is no such checkpoint"
            )
        }
        let commit = try CheckpointCommit.read(in: path)
        try commit.check(in: path)
        let index = try CheckpointIndex(readingIn: path)
        for file in index.files { try file.check(in: path) }
        return CheckpointReader(path, index, seal: commit.description)
    }

    init(_ path: String, _ index: CheckpointIndex, seal: String = "") {
        self.path = path
        self.seal = seal
        self.index = index
        positions = Dictionary(
            index.tensors.enumerated().map { ($1.path, $0) }, uniquingKeysWith: { first, _ in first })
        files = OpenRankFile(folder: path)
    }

    func tensor(_ group: String, _ name: String) -> CheckpointIndex.Tensor? {
        positions["\(group)/\(name)"].map { index.tensors[$0] }
    }

    func read(_ piece: CheckpointIndex.Piece, of tensor: CheckpointIndex.Tensor, into part: FloatBuffer) throws {
        try files.withFile(piece.file) { try CheckpointRankFile.read(piece, of: tensor, from: $0, into: part) }
    }
}

/// The rank file read last, kept open: most reads go on in the same one, and a checkpoint may have more files than a
/// process may open.
private final class OpenRankFile: Sendable {
    private let folder: String
    private let current = Mutex<HDF5File?>(nil)

    init(folder: String) { self.folder = folder }

    func withFile(_ name: String, _ body: (HDF5File) throws -> Void) throws {
        let path = "\(folder)/\(name)"
        let file = try current.withLock { current in
            if let current, current.path == path { return current }
            let file = try CheckpointError.translating { try HDF5File.open(path) }
            // Whoever still reads the other holds it open.
            current = file
            return file
        }
        try body(file)
    }
}
