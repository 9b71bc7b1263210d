/// Rows of a tensor that one writer saves, contiguous in memory.
struct CheckpointPiece: Equatable, Sendable {
    /// Index of the tensor in the list that was cut.
    let tensor: Int
    let rows: Range<Int>
}

/// Which writer saves what: a pure function of names, shapes and the number of writers, so that every rank knows all
/// of it without a message.
enum CheckpointCut {
    /// The pieces of one writer, in the tensors' order. All writers' pieces together are every row once; tensors
    /// without elements have no piece.
    ///
    /// Each group is cut by itself, so that a writer saves the same rows of a weight, of its average and of its
    /// moments: those which its slice of the optimizer holds, but for rows that a slice's border runs through.
    static func pieces(of tensors: [(group: String, shape: [Int])], writer: Int, of writers: Int) -> [CheckpointPiece] {
        precondition(writers > 0 && (0..<writers).contains(writer), "writer \(writer) of \(writers)")
        var totals: [String: Int] = [:]
        for tensor in tensors { totals[tensor.group, default: 0] += tensor.shape.reduce(1, *) }
        var starts: [String: Int] = [:]
        var pieces: [CheckpointPiece] = []
        for (index, tensor) in tensors.enumerated() {
            let count = tensor.shape.reduce(1, *)
            guard count > 0, let total = totals[tensor.group] else { continue }
            let start = starts[tensor.group, default: 0]
            starts[tensor.group] = start + count
            let rowCount = count / tensor.shape[0]
            // The row border nearest to writer w's share of the group.
            func border(_ writer: Int) -> Int {
                let offset = max(0, total * writer / writers - start)
                return min(tensor.shape[0], (offset + rowCount / 2) / rowCount)
            }
            let rows = border(writer)..<border(writer + 1)
            if !rows.isEmpty { pieces.append(CheckpointPiece(tensor: index, rows: rows)) }
        }
        return pieces
    }
}
