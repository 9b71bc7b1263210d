import Compute

/// Goes through a tensor's pieces in the order of its rows, each read into the same memory: looking through a checkpoint
/// takes no more than a tensor's largest piece.
struct PieceCursor {
    private let reader: CheckpointReader
    private let tensor: CheckpointIndex.Tensor
    private let arena: Arena
    private let room: FloatBuffer
    private var pieces: ArraySlice<CheckpointIndex.Piece>

    /// - Parameter file: the rank file whose pieces are wanted; nil for all.
    init(_ tensor: CheckpointIndex.Tensor, of reader: CheckpointReader, in file: String? = nil) {
        let wanted = tensor.pieces.filter { file == nil || $0.file == file }
        let largest = wanted.map { $0.rows.count * tensor.rowCount }.max() ?? 0
        (arena, room) = Arena.build("checkpoint piece") { $0.take(largest) }
        self.reader = reader
        self.tensor = tensor
        pieces = wanted[...]
    }

    /// The values of the next piece, valid until the next call and as long as the cursor; nil after the last.
    ///
    /// - Throws: as ``CheckpointReader/forEachPiece(group:name:_:)``.
    mutating func next() throws -> FloatBuffer? {
        guard let piece = pieces.popFirst() else { return nil }
        let values = room.slice(0, piece.rows.count * tensor.rowCount)
        try withExtendedLifetime(arena) { try reader.check(reader.read(tensor, piece.rows, into: values)) }
        return values
    }
}

extension CheckpointReader {
    /// Whether there are tensors of a group, such as `optimizer/m`.
    public func holds(group: String) -> Bool { index.tensors.contains { $0.group == group } }

    /// Compares names and shapes of all tensors of the groups that occur in `wanted`.
    ///
    /// - Throws: ``CheckpointError``, `.otherModel`, which names tensors that are missing, unexpected or of another shape.
    public func requireTensors(_ wanted: [CheckpointExtent]) throws { _ = try requireSame(wanted) }

    /// Reads a tensor piece by piece, in the order of its rows, and lends the values of each.
    ///
    /// - Throws: ``CheckpointError``: `.otherModel` if there is no such tensor, `.damaged` if a piece is not as it was
    ///   written; and what `body` throws.
    public func forEachPiece(group: String, name: String, _ body: (FloatBuffer) throws -> Void) throws {
        guard let tensor = tensor(group, name) else {
            throw CheckpointError(
                .otherModel, path, "holds no tensor \(group)/\(name): it is a checkpoint of another model")
        }
        var cursor = PieceCursor(tensor, of: self)
        while let values = try cursor.next() { try body(values) }
    }
}
