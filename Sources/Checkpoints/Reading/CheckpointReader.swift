import Storage
import Synchronization

/// A checkpoint that is read: by one process, which checks every byte first (``open(_:)``), or by several ranks, each its
/// share.
///
/// Tensors are read from the rank files piece by piece, each against its own checksum too; never through the virtual
/// data sets of `checkpoint.h5`, where a missing file would read as NaN.
public struct CheckpointReader: Sendable {
    /// A piece, its tensor, and its number in the order of the index.
    struct NumberedPiece: Sendable {
        let number: Int
        let tensor: CheckpointIndex.Tensor
        let source: CheckpointIndex.Piece

        /// Elements.
        var count: Int { source.rows.count * tensor.rowCount }
        var bytes: Int { count * MemoryLayout<Float>.stride }
    }

    /// The checkpoint's folder, as it was given.
    public let path: String
    /// What `COMMIT` says, which vouches for every byte: equal for equal checkpoints only.
    public let seal: String
    let index: CheckpointIndex
    let pieces: [NumberedPiece]
    /// Each tensor and where its pieces stand in `pieces`, by its path.
    private let places: [String: (tensor: CheckpointIndex.Tensor, pieces: Range<Int>)]
    private let files: OpenRankFile

    public var metadata: CheckpointMetadata { index.metadata }

    /// Bytes of rank files and of values that this process has read so far.
    package var bytesRead: Int { files.bytesRead.load(ordering: .relaxed) }

    /// Checks a checkpoint's folder from `COMMIT` down: the length and CRC-32C of each file, before HDF5 sees it, and then
    /// those of each piece, which were taken before it was written.
    ///
    /// - Throws: ``CheckpointError``: `.missing` if nothing is there, `.damaged` with the file and what is wrong,
    ///   `.tooNew`, `.gone`; `StorageError` of kind `.io` if the disk fails.
    public static func open(_ path: String) throws -> CheckpointReader {
        let reader = try CheckpointReader(unchecked: path)
        try reader.check(reader.digestFiles(share: 0, of: 1))
        try reader.check(reader.digestPieces(share: 0, of: 1))
        return reader
    }

    /// Checks `COMMIT` and `checkpoint.h5`; the rank files are for those to check who read them together.
    ///
    /// - Throws: as ``open(_:)``.
    public init(unchecked path: String) throws {
        guard try CheckpointError.translating({ try Files.isDirectory(path) }) else {
            throw try Files.exists(path)
                ? CheckpointError(.damaged, path, "is not the folder of a checkpoint")
                : CheckpointError(.missing, path, "there is no such checkpoint")
        }
        let (commit, index) = try CheckpointError.noticing(path) {
            let commit = try CheckpointCommit.read(in: path)
            try commit.check(in: path)
            let index = try CheckpointIndex(readingIn: path)
            try index.requireStep(of: path)
            return (commit, index)
        }
        self.init(path, index, seal: commit.description)
    }

    init(_ path: String, _ index: CheckpointIndex, seal: String = "") {
        self.path = path
        self.seal = seal
        self.index = index
        var pieces: [NumberedPiece] = []
        var places: [String: (tensor: CheckpointIndex.Tensor, pieces: Range<Int>)] = [:]
        for tensor in index.tensors {
            let start = pieces.count
            for source in tensor.pieces where tensor.count > 0 {
                pieces.append(NumberedPiece(number: pieces.count, tensor: tensor, source: source))
            }
            places[tensor.path] = (tensor, start..<pieces.count)
        }
        (self.pieces, self.places) = (pieces, places)
        files = OpenRankFile(folder: path)
    }

    func tensor(_ group: String, _ name: String) -> CheckpointIndex.Tensor? { places["\(group)/\(name)"]?.tensor }

    func pieces(of tensor: CheckpointIndex.Tensor) -> ArraySlice<NumberedPiece> {
        pieces[places[tensor.path]?.pieces ?? 0..<0]
    }

    /// - Parameter name: of a rank file.
    func withFile<Result>(_ name: String, _ body: (HDF5File) throws -> Result) throws -> Result {
        try CheckpointError.noticing(path) { try body(files.open(name)) }
    }

    /// Closes what a pass has left open: a reader lives as long as a run, and its checkpoint may be deleted before.
    func closeFiles() { files.close() }

    func tally(bytes: Int) { files.bytesRead.add(bytes, ordering: .relaxed) }
}

/// The rank file read last, kept open: most reads go on in the same one, and a checkpoint may have more files than a
/// process may open.
private final class OpenRankFile: Sendable {
    let bytesRead = Atomic<Int>(0)
    private let folder: String
    private let current = Mutex<HDF5File?>(nil)

    init(folder: String) { self.folder = folder }

    /// Whoever still reads another file holds that open.
    func open(_ name: String) throws -> HDF5File {
        let path = "\(folder)/\(name)"
        return try current.withLock { current in
            if let current, current.path == path { return current }
            let file = try CheckpointError.translating { try HDF5File.open(path) }
            current = file
            return file
        }
    }

    func close() { current.withLock { $0 = nil } }
}
