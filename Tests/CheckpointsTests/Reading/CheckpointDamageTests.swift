import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct CheckpointDamageTests {
    /// Every byte of COMMIT, and every 257th and each of the first and last 64 of the others: changed by a bit, found.
    @Test(arguments: [1, 3]) func aChangedByteIsFoundBeforeUse(writers: Int) throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1, writers: writers)
        for name in try names(in: path) {
            let file = "\(path)/\(name)"
            let bytes = try Files.read(file)
            let offsets = bytes.indices.filter {
                name == "COMMIT" || $0 < 64 || $0 >= bytes.count - 64 || $0 % 257 == 0
            }
            for offset in offsets {
                var damaged = bytes
                damaged[offset] ^= 1 << UInt8(offset % 8)
                try Foundation.Data(damaged).write(to: URL(fileURLWithPath: file))
                do {
                    _ = try CheckpointReader.open(path)
                    Issue.record("\(name): a change of byte \(offset) went unnoticed")
                } catch let error as CheckpointError {
                    #expect(error.kind == .damaged && error.path == file, "byte \(offset): \(error)")
                }
            }
            try Foundation.Data(bytes).write(to: URL(fileURLWithPath: file))
            _ = try CheckpointReader.open(path)
        }
    }

    /// A hole in a file takes no room on the disk, and would take all memory.
    @Test func aFileBeyondReasonIsFound() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1)
        for name in try names(in: path) {
            let file = "\(path)/\(name)"
            let bytes = try Files.read(file)
            #expect(truncate(file, 4 << 40) == 0)
            try checkpointFailure(.damaged, naming: file) { _ = try CheckpointReader.open(path) }
            #expect(try !CheckpointVerification(path).isValid)
            try Foundation.Data(bytes).write(to: URL(fileURLWithPath: file))
        }
        _ = try CheckpointReader.open(path)
    }

    @Test func aShortenedFileIsFound() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1)
        for name in try names(in: path) {
            let file = "\(path)/\(name)"
            let bytes = try Files.read(file)
            for count in [0, 1, bytes.count / 2, bytes.count - 1, bytes.count + 1] {
                try Foundation.Data((bytes + [0]).prefix(count)).write(to: URL(fileURLWithPath: file))
                try checkpointFailure(.damaged, naming: file) { _ = try CheckpointReader.open(path) }
            }
            try AtomicFile.removeTree(file)
            try checkpointFailure(.damaged, naming: file) { _ = try CheckpointReader.open(path) }
            #expect(try !CheckpointVerification(path).isValid)
            try Foundation.Data(bytes).write(to: URL(fileURLWithPath: file))
        }
        _ = try CheckpointReader.open(path)
    }

    /// What whole-file digests would not show, were they made after the damage: a value changed in the file, and a
    /// piece of another place.
    @Test func aPieceIsCheckedByItself() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1, writers: 2)
        func reseal(_ change: (HDF5File) throws -> Void) throws {
            try fixture.reseal(path, file: CheckpointNames.rank(0, of: 2), change)
        }
        let room = fixture.room(like: fixture.tensors())
        try reseal { _ in }
        try CheckpointReader.open(path).load(room)
        try reseal { try $0.dataset("/ema/x_embedder.proj.bias").write([Float(1)], start: [2]) }
        try checkpointFailure(.damaged, naming: "/ema/x_embedder.proj.bias", "rank-00000-of-00002.h5") {
            _ = try CheckpointReader.open(path)
        }
        // Also by those who read what others have checked: it may have changed since.
        try checkpointFailure(.damaged, naming: "/ema/x_embedder.proj.bias", "rank-00000-of-00002.h5") {
            try CheckpointReader(unchecked: path).load(room)
        }
        let verification = try CheckpointVerification(path)
        #expect(verification.files.map { $0.problem == nil } == [true, true, false, true])
        #expect(verification.files.map(\.name).first == "COMMIT")
        #expect(verification.files.map(\.tensors) == [[], [], ["ema/x_embedder.proj.bias"], []])
        try reseal { try $0.setAttribute("start_row", 1, of: "/model/x_embedder.proj.bias") }
        try checkpointFailure(.damaged, naming: "/model/x_embedder.proj.bias", "another place") {
            try CheckpointReader.open(path).load(room)
        }
    }

    /// Each value of a file, changed by a bit: the tensor that lost it is named, and none where the file lost no value.
    @Test func verificationNamesTensors() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1, writers: 2)
        let (name, index) = (CheckpointNames.rank(1, of: 2), try CheckpointIndex(readingIn: path))
        let file = "\(path)/\(name)"
        let bytes = try Files.read(file)
        var named: Set<String> = []
        var unnamed = 0
        for offset in stride(from: 0, to: bytes.count, by: 61) {
            var damaged = bytes
            damaged[offset] ^= 1 << UInt8(offset % 8)
            try Foundation.Data(damaged).write(to: URL(fileURLWithPath: file))
            let found = try #require(try CheckpointVerification(path).files.last)
            #expect(found.name == name && found.problem?.contains("bytes have changed") == true, "byte \(offset)")
            if found.tensors.count == 1 {
                named.formUnion(found.tensors)
            } else {
                unnamed += found.tensors.isEmpty ? 1 : 0
            }
        }
        // Pieces that no stride steps over.
        let there = index.tensors.filter { tensor in
            tensor.pieces.contains { $0.file == name && $0.rows.count * tensor.rowCount > 16 }
        }
        #expect(named.isSuperset(of: there.map(\.path)) && !there.isEmpty && unnamed > 0, "\(named)")
        try Foundation.Data(bytes.dropLast(8)).write(to: URL(fileURLWithPath: file))
        let cut = try #require(try CheckpointVerification(path).files.last)
        #expect(cut.tensors == index.tensors.filter { $0.pieces.contains { $0.file == name } }.map(\.path))
    }

    @Test func aLaterFormatIsNoDamage() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1)
        let digest = try CheckpointDigest(of: "checkpoint.h5", in: path)
        try AtomicFile.write(CheckpointCommit.text(digest, format: 3), to: "\(path)/COMMIT")
        try checkpointFailure(.tooNew, naming: "newer fpdm") { _ = try CheckpointReader.open(path) }
        // And is not taken out of sight, nor gone past.
        try checkpointFailure(.tooNew) { _ = try fixture.store.latestValid() }
        #expect(try Files.exists(path))
    }
}
