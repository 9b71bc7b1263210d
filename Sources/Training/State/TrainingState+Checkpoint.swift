import Checkpoints
import Compute
import Distributed
import Model

/// How the training state lies in a checkpoint: groups `model`, `ema`, `optimizer/m`, `optimizer/v`, of which each rank
/// saves the rows of its slice.
extension TrainingState {
    private static let weightsGroup = "model"
    private static let averageGroup = "ema"
    /// Where it is missing, a checkpoint has no optimizer to go on with.
    static let firstMomentGroup = "optimizer/m"

    /// The three vectors of which a rank holds its slice, with the room behind it.
    private var sliced: [(group: String, values: FloatBuffer)] {
        [
            (Self.averageGroup, emaWithTail), (Self.firstMomentGroup, firstMomentWithTail),
            ("optimizer/v", secondMomentWithTail),
        ]
    }

    /// All four, each from the start of this rank's slice to the end of the last row that it saves.
    private var saved: [(group: String, values: FloatBuffer)] {
        [(Self.weightsGroup, weights.slice(slice.lowerBound, emaWithTail.count))] + sliced
    }

    /// Where the values lie that this rank saves. `completeRows` comes first.
    package var savedVectors: [FloatBuffer] { saved.map(\.values) }

    var groups: [String] { saved.map(\.group) }

    /// What each rank saves, in the order of ranks: known to all without a message.
    package var checkpointLayout: [[CheckpointExtent]] {
        let rows = CheckpointRows(table, slices)
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
        rows(of: groups, in: vectors).filter { !$0.extent.rows.isEmpty }
    }

    /// The rows of every tensor that this rank saves and reads; of some tensors none.
    private func rows(of groups: [String], in vectors: [FloatBuffer]) -> [CheckpointPiece] {
        let rows = CheckpointRows(table, slices)
        return zip(saved, vectors).filter { groups.contains($0.0.group) }.flatMap { vector, values in
            table.parameters.map { parameter in
                let own = rows.saved(parameter, by: rank)
                let place =
                    own.isEmpty ? slice.lowerBound..<slice.lowerBound : CheckpointRows.range(parameter, rows: own)
                return CheckpointPiece(
                    group: vector.group, name: parameter.name, shape: parameter.shape, rows: own,
                    values: values.slice(place.lowerBound - slice.lowerBound, place.count))
            }
        }
    }

    /// Fetches the rest of the row that each slice's end cuts from the ranks that own it. Collective.
    package func completeRows(_ communicator: Communicator) {
        moveTails(communicator, of: sliced.map(\.values), home: false)
    }

    /// Moves what completes a slice's last row between its owners and who saves and reads that row. Collective.
    ///
    /// - Parameter home: to the owners; otherwise from them.
    private func moveTails(_ communicator: Communicator, of vectors: [FloatBuffer], home: Bool) {
        guard communicator.size > 1 else { return }
        let rows = CheckpointRows(table, slices)
        communicator.orAbort {
            // In the same order on all ranks, so that senders and receivers meet.
            for holder in 0..<slices.ranks {
                let tail = rows.tail(of: holder)
                for owner in 0..<slices.ranks where owner != holder {
                    let part = tail.clamped(to: slices[owner])
                    guard !part.isEmpty, rank == owner || rank == holder else { continue }
                    let (sender, receiver) = home ? (holder, owner) : (owner, holder)
                    for vector in vectors {
                        let values = vector.slice(part.lowerBound - slice.lowerBound, part.count)
                        if rank == sender {
                            try communicator.send(values.readable, to: receiver)
                        } else {
                            try communicator.receive(values.writable, from: sender)
                        }
                    }
                }
            }
        }
    }

    /// Takes weights, average and moments from a checkpoint of any number of ranks. Collective: each rank reads the rows
    /// that it would save, and gives the others what they need of them.
    ///
    /// - Throws: `RankFailure`, on all ranks alike.
    package func load(_ reader: CheckpointReader, _ communicator: Communicator) throws {
        try load(groups, of: reader, communicator)
    }

    /// Begins anew from a checkpoint's weights and their average; moments are zero. Collective, as `load`.
    func start(from reader: CheckpointReader, _ communicator: Communicator) throws {
        try load([Self.weightsGroup, Self.averageGroup], of: reader, communicator)
        startOptimizer()
    }

    /// Begins anew from a file of weights, which are their own average; moments are zero. Collective, as `load`.
    package func start(from file: WeightsFile, _ communicator: Communicator) throws {
        try communicator.agree {
            let wanted = rows(of: [Self.weightsGroup], in: savedVectors)
            try file.requireSame(wanted.map(\.extent), fixed: [table.positions])
            try file.load(wanted)
        }
        shareWeights(communicator)
        ema.copy(from: weights[slice])
        startOptimizer()
    }

    private func startOptimizer() {
        firstMoment.fill(0)
        secondMoment.fill(0)
        (step, updates, skippedInARow) = (0, 0, 0)
    }

    private func load(_ groups: [String], of reader: CheckpointReader, _ communicator: Communicator) throws {
        try communicator.agree {
            try CollectiveReading(communicator).check(reader) { try loadRows(groups, of: reader) }
        }
        moveTails(communicator, of: sliced.filter { groups.contains($0.group) }.map(\.values), home: true)
        shareWeights(communicator)
    }

    /// Gives all ranks the rows of the weights that each has read. Collective.
    private func shareWeights(_ communicator: Communicator) {
        guard communicator.size > 1 else { return }
        let rows = CheckpointRows(table, slices)
        let counts = (0..<slices.ranks).map { rows.whole(by: $0).count }
        communicator.orAbort { try communicator.allGather(weights.writable, counts: counts) }
    }

    /// Reads this rank's rows; what it knows of the pieces they belong to.
    func loadRows(_ groups: [String], of reader: CheckpointReader) throws -> [CheckpointPart] {
        try reader.loadShare(rows(of: groups, in: savedVectors))
    }
}
