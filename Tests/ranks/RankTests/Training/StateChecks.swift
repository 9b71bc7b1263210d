import Checkpoints
import Compute
import Distributed
import Foundation
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
        try writer.writeRankFile(
            state.checkpointPieces(in: state.savedVectors), writer: world.rank, of: world.size
        ).description
    }
    let digests = try world.allGather(digest).compactMap { CheckpointDigest($0) }
    let path = try world.agree { () -> String in
        guard world.rank == 0 else { return "" }
        let metadata = CheckpointMetadata(step: 7, jobYAML: "", worldSize: world.size, hosts: [], version: "test")
        return try writer.finish(layout: state.checkpointLayout, metadata: metadata, digests: digests)
    }
    return try world.broadcast(path, root: 0)
}

/// Saves the known state as so many writers would, all of them played by rank 0; the checkpoint's path.
private func save(
    _ whole: [[Float]], _ table: ParameterTable, step: Int, writers: Int, in folder: String, _ world: Communicator
) throws -> String {
    let path = try world.agree { () -> String in
        guard world.rank == 0 else { return "" }
        let slices = FlatSlices(count: table.flatCount, ranks: writers)
        let state = TrainingState(table, slices: slices, rank: 0)
        let groups = ["model", "ema", "optimizer/m", "optimizer/v"]
        let ranges = Dictionary(uniqueKeysWithValues: table.parameters.map { ($0.name, $0.range) })
        let (arena, vectors) = Arena.build("whole") { arena in whole.map { arena.take($0.count) } }
        for (vector, values) in zip(vectors, whole) { vector.copy(from: values) }
        let writer = try CheckpointWriter.begin(step: step, run: folder)
        let digests = try state.checkpointLayout.enumerated().map { number, extents in
            let pieces = extents.map { extent in
                let start =
                    (ranges[extent.name]?.lowerBound ?? 0) + extent.rows.lowerBound * extent.count / extent.rows.count
                let vector = vectors[groups.firstIndex(of: extent.group) ?? 0]
                return CheckpointPiece(
                    group: extent.group, name: extent.name, shape: extent.shape, rows: extent.rows,
                    values: vector.slice(start, extent.count))
            }
            return try writer.writeRankFile(pieces, writer: number, of: writers)
        }
        withExtendedLifetime(arena) {}
        let metadata = CheckpointMetadata(step: step, jobYAML: "", worldSize: writers, hosts: [], version: "test")
        return try writer.finish(layout: state.checkpointLayout, metadata: metadata, digests: digests)
    }
    return try world.broadcast(path, root: 0)
}

/// Throws unless the bytes are about an equal share: but for rows at the ends of a rank's part of each vector.
private func expectShare(_ bytes: Int, of all: Int, _ table: ParameterTable, _ world: Communicator) throws {
    let row = table.parameters.map { $0.range.count / $0.shape[0] }.max() ?? 0
    // Slices end at multiples of 4,096 values.
    let slack = 4 * 4 * (row + 4096)
    let isShare = abs(bytes - all / world.size) <= slack && slack < all / 8
    if !isShare { throw Unmet(description: "\(bytes) bytes of \(all) read, give or take \(slack)") }
    try expect(try world.allReduce(bytes, .sum), equals: all)
}

/// Flips a bit of a file in its place: who has it open sees that, too.
private func flip(_ path: String, at place: Double) throws {
    let bytes = try Files.read(path)
    let offset = Int(place * Double(bytes.count))
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.seek(toOffset: UInt64(offset))
    try file.write(contentsOf: [bytes[offset] ^ 16])
    try file.close()
}

func stateChecks() -> [Check] {
    [
        Check("a state saved by all ranks is loaded by them") { world in
            let table = smallNetwork()
            let whole = (0..<4).map { expected(table, $0) }
            try withSharedFolder(world) { folder in
                let slices = FlatSlices(count: table.flatCount, ranks: world.size)
                let state = TrainingState(table, slices: slices, rank: world.rank)
                for (vector, values) in vectors(state).enumerated() {
                    values.copy(from: vector == 0 ? whole[0] : Array(whole[vector][state.slice]))
                }
                let path = try save(state, in: folder, world)
                // The state itself is as it was.
                try expectKnown(state, whole)
                let reader = try CollectiveReading(world).open(path)
                let other = TrainingState(table, slices: slices, rank: world.rank)
                try other.load(reader, world)
                try expectKnown(other, whole)
            }
        },
        Check("ranks read a share each of what any number has written") { world in
            let table = largerNetwork()
            let whole = (0..<4).map { expected(table, $0) }
            try withSharedFolder(world) { folder in
                for writers in [1, 2, 4] {
                    let path = try save(whole, table, step: writers, writers: writers, in: folder, world)
                    let reader = try CollectiveReading(world).open(path)
                    let opened = reader.bytesRead
                    let sizes = try (0..<writers).map {
                        try Files.size(of: "\(path)/rank-0000\($0)-of-0000\(writers).h5")
                    }
                    let values = 4 * 4 * table.parameters.reduce(0) { $0 + $1.range.count }
                    try expectShare(opened, of: sizes.reduce(0, +) + values, table, world)
                    let state = TrainingState(
                        table, slices: FlatSlices(count: table.flatCount, ranks: world.size), rank: world.rank)
                    try state.load(reader, world)
                    try expectShare(reader.bytesRead - opened, of: values, table, world)
                    try expectKnown(state, whole)
                }
            }
        },
        Check("a file of weights is begun from, a share a rank, on any number of ranks") { world in
            let table = smallNetwork()
            let (weights, zero) = (expected(table, 0), [Float](repeating: 0, count: table.flatCount))
            try withSharedFolder(world) { folder in
                func file(_ name: String, without missing: String = "") throws -> WeightsFile {
                    let path = "\(folder)/\(name)"
                    try world.agree {
                        guard world.rank == 0 else { return }
                        let parameters = table.parameters.filter { $0.name != missing }
                        try SafeTensors.write(parameters.map { ($0.name, $0.shape) }, to: path) { name, append in
                            guard let parameter = table.parameter(named: name) else { return }
                            try Array(weights[parameter.range]).withUnsafeBufferPointer(append)
                        }
                    }
                    return try world.agree { try WeightsFile.open(path) }
                }
                let slices = FlatSlices(count: table.flatCount, ranks: world.size)
                let state = TrainingState(table, slices: slices, rank: world.rank)
                for vector in vectors(state) { vector.fill(7) }
                state.weights.fill(0)
                try state.start(from: file("weights"), world)
                try expectKnown(state, [weights, weights, zero, zero])
                let failure = try expectError(RankFailure.self) {
                    try state.start(from: file("less", without: "x_embedder.proj.bias"), world)
                }
                try expect(failure.code, equals: 65)
                try expect(failure.message.contains("lacks x_embedder.proj.bias"), equals: true)
            }
        },
        Check("damage that one rank finds is damage for all") { world in
            let table = smallNetwork()
            let whole = (0..<4).map { expected(table, $0) }
            try withSharedFolder(world) { folder in
                for step in 1...3 { _ = try save(whole, table, step: step, writers: 2, in: folder, world) }
                let store = CheckpointStore(run: folder)
                let files = [3, 2].map { "\(folder)/checkpoints/step-000000\($0)/rank-0000\($0 - 2)-of-00002.h5" }
                try world.agree {
                    guard world.rank == 0 else { return }
                    try flip(files[0], at: 0.9)
                    try AtomicFile.removeTree(files[1])
                }
                var skipped: [String] = []
                let found = try CollectiveReading(world).latestValid(skipped: { skipped.append($0.reason) }) {
                    try CheckpointCandidates(store)
                }
                try expect(found?.metadata.step, equals: 1)
                try expect(skipped.count, equals: 2)
                for (reason, file) in zip(skipped, files) { try expect(reason.hasPrefix("\(file): "), equals: true) }
                try expect(try Set(world.allGather(skipped.joined())).count, equals: 1)
                // None is left; and one that is named is not skipped.
                try world.agree {
                    if world.rank == 0 { try flip("\(folder)/checkpoints/step-0000001/COMMIT", at: 0.5) }
                }
                for under in [folder, "\(folder)/checkpoints/step-0000003"] {
                    let failure = try expectError(RankFailure.self) {
                        _ = try CollectiveReading(world).latestValid(skipped: { _ in }) {
                            try CheckpointCandidates(under: under)
                        }
                    }
                    try expect(failure.code, equals: 65)
                    try expect(failure.message.contains(under), equals: true)
                    try expect(try Set(world.allGather("\(failure)")).count, equals: 1)
                }
                let missing = try expectError(RankFailure.self) {
                    _ = try CollectiveReading(world).latestValid(skipped: { _ in }) {
                        try CheckpointCandidates(under: "\(folder)/none")
                    }
                }
                try expect(missing.code, equals: 66)
            }
        },
        Check("damage that comes after the check ends all ranks") { world in
            let table = smallNetwork()
            let whole = (0..<4).map { expected(table, $0) }
            try withSharedFolder(world) { folder in
                let path = try save(whole, table, step: 1, writers: 1, in: folder, world)
                let reader = try CollectiveReading(world).open(path)
                try world.agree { if world.rank == 0 { try flip("\(path)/rank-00000-of-00001.h5", at: 0.7) } }
                let state = TrainingState(
                    table, slices: FlatSlices(count: table.flatCount, ranks: world.size), rank: world.rank)
                let failure = try expectError(RankFailure.self) { try state.load(reader, world) }
                try expect(failure.code, equals: 65)
                try expect(failure.message.contains("rank-00000-of-00001.h5: /"), equals: true)
            }
        },
        Check("a rank that sees another checkpoint ends all, and the checkpoint is no worse for it") { world in
            guard world.size > 1 else { return }
            let table = smallNetwork()
            let whole = (0..<4).map { expected(table, $0) }
            try withSharedFolder(world) { folder in
                let path = try save(whole, table, step: 1, writers: 2, in: folder, world)
                // As if this rank's node did not share the folder: a relative path, from elsewhere.
                let here = FileManager.default.currentDirectoryPath
                try expect(chdir(world.rank == world.size - 1 ? "/" : folder), equals: 0)
                defer { chdir(here) }
                let failure = try expectError(RankFailure.self) {
                    _ = try CollectiveReading(world).open("checkpoints/step-0000001")
                }
                try expect(failure.rank, equals: world.size - 1)
                try expect(failure.message.contains("all ranks see the same folders"), equals: true)
                chdir(here)
                _ = try CollectiveReading(world).open(path)
            }
        },
        Check("slices cut rows: their owners complete them") { world in
            // Otherwise the checks above would show less than they say.
            for table in [smallNetwork(), largerNetwork()] {
                let slices = FlatSlices(count: table.flatCount, ranks: world.size)
                let borders = (1..<max(world.size, 1)).map { slices[$0].lowerBound }
                let cut = borders.filter { border in
                    table.parameters.contains { parameter in
                        let length = parameter.range.count / parameter.shape[0]
                        return parameter.range.contains(border) && (border - parameter.range.lowerBound) % length != 0
                    }
                }
                try expect(world.size == 1 || !cut.isEmpty, equals: true)
            }
        },
    ]
}
