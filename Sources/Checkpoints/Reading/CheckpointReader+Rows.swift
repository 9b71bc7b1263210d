import Compute
import Storage

extension CheckpointReader {
    /// Reads a tensor, or rows of it.
    ///
    /// Only the pieces that hold some of these rows are read, but those whole, because a piece's checksum is of all its
    /// values. For the others of its rows 4 MiB of memory, or a row's, are taken for the time of the call.
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
        let others = pieces(of: tensor).filter { $0.source.rows.overlaps(wanted) }.flatMap { piece in
            let (all, own) = (piece.source.rows, piece.source.rows.clamped(to: wanted))
            return [(piece, all.lowerBound..<own.lowerBound), (piece, own.upperBound..<all.upperBound)]
        }
        try check(read(tensor, wanted, into: target) + digest(others))
    }

    /// Reads rows of a tensor from its pieces.
    ///
    /// - Returns: the checksums of these rows.
    func read(
        _ tensor: CheckpointIndex.Tensor, _ wanted: Range<Int>, into target: FloatBuffer
    ) throws -> [CheckpointPart] {
        try pieces(of: tensor).compactMap { piece in
            let rows = piece.source.rows.clamped(to: wanted)
            guard !rows.isEmpty else { return nil }
            return try read(rows, of: piece) { batch in
                target.slice((batch.lowerBound - wanted.lowerBound) * tensor.rowCount, batch.count * tensor.rowCount)
            }
        }
    }

    /// Reads rows of pieces for their checksums' sake.
    func digest(_ wanted: [(NumberedPiece, Range<Int>)]) throws -> [CheckpointPart] {
        let largest =
            wanted.map { piece, rows in
                min(rows.count, CheckpointRankFile.batch(piece.tensor.rowCount)) * piece.tensor.rowCount
            }.max() ?? 0
        let (arena, room) = Arena.build("checkpoint piece") { $0.take(largest) }
        return try withExtendedLifetime(arena) {
            try wanted.filter { !$1.isEmpty }.map { piece, rows in
                try read(rows, of: piece) { room.slice(0, $0.count * piece.tensor.rowCount) }
            }
        }
    }

    /// - Parameter room: for a few rows at a time.
    private func read(
        _ rows: Range<Int>, of piece: NumberedPiece, into room: (Range<Int>) -> FloatBuffer
    ) throws -> CheckpointPart {
        try withFile(piece.source.file) { file in
            try CheckpointError.translating {
                let (values, recorded) = try CheckpointRankFile.open(piece.source, of: piece.tensor, in: file)
                let first = piece.source.rows.lowerBound
                let own = rows.lowerBound - first..<rows.upperBound - first
                let crc = try CheckpointRankFile.digest(own, of: values, piece.tensor.rowCount) {
                    room($0.lowerBound + first..<$0.upperBound + first)
                }
                let width = piece.tensor.rowCount * MemoryLayout<Float>.stride
                tally(bytes: rows.count * width)
                return CheckpointPart(
                    whole: .piece(piece.number),
                    bytes: own.lowerBound * width..<own.upperBound * width, crc: crc, recorded: recorded)
            }
        }
    }
}
