import Compute
import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// What one number of ranks has written, another reads.
@Suite struct CheckpointPieceTests {
    /// Each rank reads its own rows; all together have every bit.
    @Test(arguments: [1, 2, 3, 7], [1, 2, 3, 5, 11]) func anyNumberReads(writers: Int, readers: Int) throws {
        let fixture = try CheckpointFixture()
        let reader = try CheckpointReader.open(fixture.write(step: 4, writers: writers))
        let room = fixture.room(like: fixture.tensors())
        var parts: [CheckpointPart] = []
        let before = reader.bytesRead
        for share in fixture.cut(room, writers: readers) {
            let mine = Set(share.map(\.extent.path))
            // Tensors of which a rank has nothing are named all the same: the model is compared as a whole.
            let others = room.filter { !mine.contains($0.extent.path) }.map { fixture.piece(0..<0, of: $0) }
            let own = reader.bytesRead
            parts += try reader.loadShare(share + others)
            // Its own rows, and nothing of the pieces they were cut from.
            #expect(reader.bytesRead - own == 4 * share.reduce(0) { $0 + $1.values.count })
        }
        #expect(reader.bytesRead - before == 4 * room.reduce(0) { $0 + $1.values.count })
        try reader.check(parts)
        for (a, b) in zip(fixture.tensors(seed: 4), room) { #expect(bits(a) == bits(b), "\(a.extent)") }
    }

    @Test func anyRowsAreRead() throws {
        let fixture = try CheckpointFixture()
        let reader = try CheckpointReader.open(fixture.write(step: 4, writers: 7))
        for tensor in fixture.tensors(seed: 4) where ["tall", "x_embedder.proj.weight"].contains(tensor.extent.name) {
            let (group, name, all) = (tensor.extent.group, tensor.extent.name, tensor.extent.shape[0])
            for rows in [0..<0, 0..<1, all - 1..<all, all / 3..<all / 2 + 1, 1..<all - 1, all..<all] {
                let wanted = fixture.piece(rows, of: tensor)
                let room = fixture.tensor(group, name, [max(1, wanted.values.count)]) { _ in -777 }.values
                try reader.read(group: group, name: name, rows: rows, into: room.slice(0, wanted.values.count))
                #expect(room.slice(0, wanted.values.count).array.map(\.bitPattern) == bits(wanted), "\(name) \(rows)")
            }
            let row = fixture.tensor(group, name, [1]) { _ in -777 }.values
            for rows in [all..<all + 1, -1..<0, 0..<2] {
                try checkpointFailure(.otherModel, naming: "\(group)/\(name)", "for rows \(rows)") {
                    try reader.read(group: group, name: name, rows: rows, into: row)
                }
            }
        }
    }

    /// A rank reads what its rows lie in: what is wrong elsewhere is for those who read it.
    @Test func otherFilesAreLeftAlone() throws {
        let fixture = try CheckpointFixture()
        let tensor = fixture.tensor("model", "w", [6, 2]) { Float($0) }
        let path = try CheckpointWriter.write(
            fixture.cut([tensor], writers: 3), metadata: CheckpointFixture.metadata(step: 1), run: fixture.run
        ) { _ in }
        let reader = try CheckpointReader.open(path)
        try AtomicFile.removeTree("\(path)/\(CheckpointNames.rank(2, of: 3))")
        let room = fixture.tensor("model", "w", [3, 2]) { _ in -1 }
        try reader.read(group: "model", name: "w", rows: 1..<4, into: room.values)
        #expect(room.values.array == [2, 3, 4, 5, 6, 7])
        try checkpointFailure(.damaged, naming: CheckpointNames.rank(2, of: 3)) {
            try reader.read(group: "model", name: "w", rows: 2..<5, into: room.values)
        }
    }

    /// A piece's checksum is of the whole piece, also where one row of it is wanted.
    @Test func aPieceIsCheckedWhole() throws {
        let fixture = try CheckpointFixture()
        let tensor = fixture.tensor("model", "w", [6, 2]) { Float($0) }
        let path = try CheckpointWriter.write([tensor], metadata: CheckpointFixture.metadata(step: 1), run: fixture.run)
        let reader = try CheckpointReader.open(path)
        let file = try HDF5File.open("\(path)/\(CheckpointNames.rank(0, of: 1))", .readWrite)
        let changed: [Float] = [-10]
        try changed.withUnsafeBufferPointer {
            try file.dataset("/model/w").write($0, start: [5, 0], count: [1, 1])
        }
        try file.close()
        let room = fixture.tensor("model", "w", [1, 2]) { _ in -1 }
        try checkpointFailure(.damaged, naming: "/model/w", "changed") {
            try reader.read(group: "model", name: "w", rows: 0..<1, into: room.values)
        }
    }

    /// Ranks share the work in any order, tell each other texts only, and may have nothing to write.
    @Test func ranksShareTheWork() throws {
        let fixture = try CheckpointFixture()
        let tensors = fixture.tensors(seed: 6)
        var shares = fixture.cut(tensors, writers: 3)
        shares = [shares[2], [], shares[0], shares[1]]
        let first = try CheckpointWriter.begin(step: 6, run: fixture.run)
        var told = [String](repeating: "", count: 4)
        for rank in [3, 1, 0, 2] {
            let writer = rank == 0 ? first : CheckpointWriter(work: first.work)
            told[rank] = try writer.writeRankFile(shares[rank], writer: rank, of: 4).description
        }
        #expect(try fixture.store.latestValid() == nil)
        let path = try first.finish(
            layout: shares.map { $0.map(\.extent) }, metadata: CheckpointFixture.metadata(step: 6),
            digests: told.map { try #require(CheckpointDigest($0)) })
        #expect(path == fixture("run/checkpoints/step-0000006"))
        #expect(try CheckpointVerification(path).isValid)
        let room = fixture.room(like: tensors)
        let reader = try CheckpointReader.open(path)
        try reader.load(room)
        for (a, b) in zip(tensors, room) { #expect(bits(a) == bits(b), "\(a.extent)") }
        #expect(try names(in: path).count == 6 && names(in: fixture.store.folder).count == 1)
    }

    @Test func whatIsAbandonedIsGone() throws {
        let fixture = try CheckpointFixture()
        let writer = try CheckpointWriter.begin(step: 6, run: fixture.run)
        _ = try writer.writeRankFile([], writer: 0, of: 2)
        #expect(try names(in: fixture.store.folder).count == 1)
        writer.abandon()
        #expect(try names(in: fixture.store.folder).isEmpty)
        // As on a node that does not see the run's folder.
        let error = try #require(throws: StorageError.self) { _ = try writer.writeRankFile([], writer: 1, of: 2) }
        #expect(error.kind == .io && error.description.contains("all nodes share"), "\(error)")
    }

    @Test func digestsTravelAsText() throws {
        let digest = CheckpointDigest(name: CheckpointNames.rank(1, of: 12), size: 4096, crc: 0xf3a_9c11)
        #expect(digest.description == "rank-00001-of-00012.h5: 4096 bytes, CRC-32C 0f3a9c11")
        #expect(CheckpointDigest(digest.description) == digest)
        for text in [
            "", "a: 1 bytes, CRC-32C 12345", "a: 1 bytes, CRC-32C +2345678", "a 1 bytes, CRC-32C 12345678",
            "a: 1 bytes, CRC-32C 12345678 ", "a: 01 bytes, CRC-32C 12345678", "a: 1 bytes, CRC-32C 1234567A",
        ] { #expect(CheckpointDigest(text) == nil, "\(text)") }
    }

    /// Rows that nobody saves, or two, would be a checkpoint that lies: a caller's bug.
    @Test func everyRowOnce() async {
        let extent = { CheckpointExtent(group: "model", name: "w", shape: [4, 2], rows: $0) }
        let layout = CheckpointIndex.tensors(of: [[extent(2..<4)], [], [extent(0..<2)]], in: ["a", "b", "c"])
        #expect(
            layout == [
                .init(
                    group: "model", name: "w", shape: [4, 2],
                    pieces: [.init(file: "c", rows: 0..<2), .init(file: "a", rows: 2..<4)])
            ])
        await #expect(processExitsWith: .failure) { Self.layout([0..<2], [3..<4]) }
        await #expect(processExitsWith: .failure) { Self.layout([0..<2], [1..<4]) }
        await #expect(processExitsWith: .failure) { Self.layout([0..<2], []) }
        await #expect(processExitsWith: .failure) { Self.layout([1..<4]) }
        await #expect(processExitsWith: .success) { Self.layout([1..<4], [0..<1]) }
    }

    private static func layout(_ rows: [Range<Int>]...) {
        _ = CheckpointIndex.tensors(
            of: rows.map { $0.map { CheckpointExtent(group: "model", name: "w", shape: [4, 2], rows: $0) } },
            in: rows.indices.map { "file \($0)" })
    }
}
