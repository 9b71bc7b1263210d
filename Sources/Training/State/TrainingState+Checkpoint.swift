import Checkpoints
import Compute
import Distributed
import Model

/// How the training state lies in a checkpoint: groups `model`, `ema`, `optimizer/m`, `optimizer/v`, of which each rank
/// saves the rows of its slice.
extension TrainingState {
    private static let weightsGroup = "model"

    /// The three vectors of which a rank holds its slice, with the room behind it.
    private var sliced: [(group: String, values: FloatBuffer)] {
        [("ema", emaWithTail), ("optimizer/m", firstMomentWithTail), ("optimizer/v", secondMomentWithTail)]
    }

    /// All four, each from the start of this rank's slice to the end of the last row that it saves.
    private var saved: [(group: String, values: FloatBuffer)] {
        [(Self.weightsGroup, weights.slice(slice.lowerBound, emaWithTail.count))] + sliced
    }

    /// Where the values lie that this rank saves. `completeRows` comes first.
    package var savedVectors: [FloatBuffer] { saved.map(\.values) }

    /// What each rank saves, in the order of ranks: known to all without a message.
    package var checkpointLayout: [[CheckpointExtent]] {
        let rows = CheckpointRows(table, slices)
        let groups = saved.map(\.group)
        return (0..<slices.ranks).map { rank in
            groups.flatMap { group in
                table.parameters.compactMap { parameter in
                    let own = rows.saved(parameter, by: rank)
                    guard !own.isEmpty else { return nil }
                    return CheckpointExtent(group: group, name: parameter.name, shape: parameter.shape, rows: own)
                }
            }
        }
    }

    /// What this rank saves: rows where they lie in `savedVectors`, or in copies of those.
    package func checkpointPieces(in vectors: [FloatBuffer]) -> [CheckpointPiece] {
        let rows = CheckpointRows(table, slices)
        return zip(saved, vectors).flatMap { vector, values in
            table.parameters.compactMap { parameter in
                let own = rows.saved(parameter, by: rank)
                guard !own.isEmpty else { return nil }
                let place = CheckpointRows.range(parameter, rows: own)
                return CheckpointPiece(
                    group: vector.group, name: parameter.name, shape: parameter.shape, rows: own,
                    values: values.slice(place.lowerBound - slice.lowerBound, place.count))
            }
        }
    }

    /// Fetches the rest of the row that each slice's end cuts from the ranks that own it. Collective.
    package func completeRows(_ communicator: Communicator) {
        guard communicator.size > 1 else { return }
        let rows = CheckpointRows(table, slices)
        communicator.orAbort {
            // In the same order on all ranks, so that senders and receivers meet.
            for receiver in 0..<slices.ranks {
                let tail = rows.tail(of: receiver)
                for owner in 0..<slices.ranks where owner != receiver {
                    let part = tail.clamped(to: slices[owner])
                    guard !part.isEmpty, rank == owner || rank == receiver else { continue }
                    for vector in sliced {
                        let values = vector.values.slice(part.lowerBound - slice.lowerBound, part.count)
                        if rank == owner {
                            try communicator.send(values.readable, to: receiver)
                        } else {
                            try communicator.receive(values.writable, from: owner)
                        }
                    }
                }
            }
        }
    }

    /// Takes weights, average and moments from a checkpoint of any number of ranks.
    package func load(_ reader: CheckpointReader) throws {
        try loadWeights(reader)
        for vector in sliced { try loadSlice(reader, vector.group, into: vector.values) }
    }

    /// Begins anew from a checkpoint's weights and their average; moments are zero.
    func start(from reader: CheckpointReader) throws {
        try loadWeights(reader)
        try loadSlice(reader, "ema", into: emaWithTail)
        firstMoment.fill(0)
        secondMoment.fill(0)
        (step, updates, skippedInARow) = (0, 0, 0)
    }

    private func loadWeights(_ reader: CheckpointReader) throws {
        try reader.load(
            table.parameters.map {
                CheckpointPiece(
                    group: Self.weightsGroup, name: $0.name, shape: $0.shape, values: weights[$0.range])
            })
    }

    /// Reads the rows that this rank's slice touches, and keeps what belongs to it.
    private func loadSlice(_ reader: CheckpointReader, _ group: String, into values: FloatBuffer) throws {
        let rows = CheckpointRows(table, slices)
        let touched = table.parameters.map { ($0, rows.touched($0, by: rank)) }
        let (arena, rooms) = Arena.build("rows") { arena in
            touched.map { arena.take(CheckpointRows.range($0, rows: $1).count) }
        }
        try withExtendedLifetime(arena) {
            try reader.load(
                zip(touched, rooms).map { touched, room in
                    CheckpointPiece(
                        group: group, name: touched.0.name, shape: touched.0.shape, rows: touched.1, values: room)
                })
            for ((parameter, rows), room) in zip(touched, rooms) {
                let place = CheckpointRows.range(parameter, rows: rows)
                let own = place.clamped(to: slice)
                guard !own.isEmpty else { continue }
                values.slice(own.lowerBound - slice.lowerBound, own.count).copy(
                    from: room.slice(own.lowerBound - place.lowerBound, own.count))
            }
        }
    }
}
