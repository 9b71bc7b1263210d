import Compute

extension CheckpointReader {
    /// Reads a tensor, or rows of it.
    ///
    /// Only the pieces that hold some of these rows are read, but those whole, because a piece's checksum is of all its
    /// values. One that reaches beyond `rows` takes memory of its size for the time of the call.
    ///
    /// - Parameters:
    ///   - rows: all of them unless told.
    ///   - target: room for exactly the elements of `rows`.
    /// - Throws: ``CheckpointError``: `.otherModel` if there is no such tensor or its rows have another size, `.damaged`
    ///   if a piece is not as it was written.
    public func read(group: String, name: String, rows: Range<Int>? = nil, into target: FloatBuffer) throws {
        guard let tensor = tensor(group, name) else {
            throw CheckpointError(
                .otherModel, path, "holds no tensor \(group)/\(name): it is a checkpoint of another model")
        }
        let wanted = rows ?? 0..<tensor.shape[0]
        guard wanted.lowerBound >= 0, wanted.upperBound <= tensor.shape[0],
            wanted.count * tensor.rowCount == target.count
        else {
            throw CheckpointError(
                .otherModel, path,
                "\(tensor.path): has shape \(tensor.shape), \(tensor.count) values, where \(target.count) are wanted"
                    + (rows.map { " for rows \($0)" } ?? "") + ": it is a checkpoint of another model")
        }
        let (arena, scratch) = Arena.build("checkpoint piece") { $0.take(largestCut(tensor, wanted)) }
        try withExtendedLifetime(arena) { try read(tensor, wanted, into: target, scratch: scratch) }
    }

    /// - Parameter scratch: room for ``largestCut(_:_:)``.
    func read(
        _ tensor: CheckpointIndex.Tensor, _ wanted: Range<Int>, into target: FloatBuffer, scratch: FloatBuffer
    ) throws {
        func part(_ rows: Range<Int>, of buffer: FloatBuffer, from start: Int) -> FloatBuffer {
            buffer.slice((rows.lowerBound - start) * tensor.rowCount, rows.count * tensor.rowCount)
        }
        for piece in tensor.pieces {
            let rows = piece.rows.clamped(to: wanted)
            guard !rows.isEmpty else { continue }
            let room = part(rows, of: target, from: wanted.lowerBound)
            if rows == piece.rows {
                try read(piece, of: tensor, into: room)
            } else {
                let whole = scratch.slice(0, piece.rows.count * tensor.rowCount)
                try read(piece, of: tensor, into: whole)
                room.copy(from: part(rows, of: whole, from: piece.rows.lowerBound))
            }
        }
    }

    /// Elements of the largest piece that has some of these rows, but not these alone.
    func largestCut(_ tensor: CheckpointIndex.Tensor, _ wanted: Range<Int>) -> Int {
        tensor.pieces.filter { piece in
            let rows = piece.rows.clamped(to: wanted)
            return !rows.isEmpty && rows != piece.rows
        }.map { $0.rows.count * tensor.rowCount }.max() ?? 0
    }
}
