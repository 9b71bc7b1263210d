import Checkpoints
import Compute
import Distributed
import Glibc
import Model
import Storage
import Training

/// The value of one vector of a state at a place of the flat layout; between tensors stands nothing.
private func value(_ vector: Int, _ i: Int) -> Float { Float(vector) * 1e6 + Float(i) / 8 }

private func expected(_ table: ParameterTable, _ vector: Int) -> [Float] {
    var values = [Float](repeating: 0, count: table.flatCount)
    for parameter in table.parameters { for i in parameter.range { values[i] = value(vector, i) } }
    return values
}

/// Weights, average and moments of a state: all weights, and of the others the slice.
private func vectors(_ state: TrainingState) -> [FloatBuffer] {
    [state.weights, state.ema, state.firstMoment, state.secondMoment]
}

/// Throws unless a state is the known one, and nothing stands between tensors.
private func expectKnown(_ state: TrainingState, _ whole: [[Float]]) throws {
    for (vector, found) in vectors(state).enumerated() {
        let part = vector == 0 ? 0..<state.table.flatCount : state.slice
        let wrong = part.first { found[$0 - part.lowerBound] != whole[vector][$0] }
        if let wrong { throw Unmet(description: "vector \(vector) of rank \(state.rank) differs at \(wrong)") }
    }
}

/// A folder that all ranks of a node see, while `body` runs.
func withSharedFolder(_ world: Communicator, _ body: (String) throws -> Void) throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    let made = try world.agree { () -> String in
        guard world.rank == 0 else { return "" }
        let path = "\(base)/fpdm-ranks-\(getpid())"
        try AtomicFile.createDirectory(path, exclusive: true)
        return path
    }
    let folder = try world.broadcast(made, root: 0)
    let outcome = Result { try body(folder) }
    // Nobody reads any more.
    try world.barrier()
    if world.rank == 0 { try AtomicFile.removeTree(folder) }
    try outcome.get()
}

/// Saves the known state, each rank its slice, as a run does; the checkpoint's path.
private func save(_ state: TrainingState, in folder: String, _ world: Communicator) throws -> String {
    state.completeRows(world)
    let work = try world.agree { world.rank == 0 ? try CheckpointWriter.begin(step: 7, run: folder).work : "" }
    let writer = CheckpointWriter(work: try world.broadcast(work, root: 0))
    let digest = try world.agree {
        try writer.writeRankFile(state.checkpointPieces, writer: world.rank, of: world.size).description
    }
    let digests = try world.allGather(digest).compactMap { CheckpointDigest($0) }
    let path = try world.agree { () -> String in
        guard world.rank == 0 else { return "" }
        let metadata = CheckpointMetadata(step: 7, jobYAML: "", worldSize: world.size, hosts: [], version: "test")
        return try writer.finish(layout: state.checkpointLayout, metadata: metadata, digests: digests)
    }
    return try world.broadcast(path, root: 0)
}

func stateChecks() -> [Check] {
    [
        Check("a state saved by all ranks is loaded by any number of them") { world in
            let table = smallNetwork()
            let whole = (0..<4).map { expected(table, $0) }
            try withSharedFolder(world) { folder in
                let state = TrainingState(
                    table, slices: FlatSlices(count: table.flatCount, ranks: world.size), rank: world.rank)
                for (vector, values) in vectors(state).enumerated() {
                    values.copy(from: vector == 0 ? whole[0] : Array(whole[vector][state.slice]))
                }
                let path = try save(state, in: folder, world)
                // The state itself is as it was.
                try expectKnown(state, whole)
                let reader = try world.agree { try CheckpointReader.open(path) }
                for ranks in [1, 2, 3, 5, 9] {
                    for rank in 0..<ranks {
                        let other = TrainingState(
                            table, slices: FlatSlices(count: table.flatCount, ranks: ranks), rank: rank)
                        try other.load(reader)
                        try expectKnown(other, whole)
                    }
                }
            }
        },
        Check("slices cut rows: their owners complete them") { world in
            // Otherwise the check above would show less than it says.
            let table = smallNetwork()
            let slices = FlatSlices(count: table.flatCount, ranks: world.size)
            let borders = (1..<max(world.size, 1)).map { slices[$0].lowerBound }
            let cut = borders.filter { border in
                table.parameters.contains { parameter in
                    let length = parameter.range.count / parameter.shape[0]
                    return parameter.range.contains(border) && (border - parameter.range.lowerBound) % length != 0
                }
            }
            try expect(world.size == 1 || !cut.isEmpty, equals: true)
        },
    ]
}
