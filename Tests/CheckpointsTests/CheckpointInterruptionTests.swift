import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct CheckpointInterruptionTests {
    private struct Stop: Error {}

    private static let stages: [CheckpointWriter.Stage] = [
        .begun, .rankFile(0), .rankFile(1), .index, .commit, .renamed,
    ]

    private final class Seen: @unchecked Sendable { var stages: [CheckpointWriter.Stage] = [] }

    private func write(
        _ fixture: CheckpointFixture, _ after: @escaping @Sendable (CheckpointWriter.Stage) throws -> Void
    ) throws {
        _ = try CheckpointWriter.write(
            fixture.cut(fixture.tensors(seed: 2), writers: 2), metadata: CheckpointFixture.metadata(step: 2),
            run: fixture.run, after: after)
    }

    /// The run's folder as it stood after each stage is what a writer killed there leaves behind.
    @Test func aKilledWriterLeavesEarlierCheckpoints() throws {
        let fixture = try CheckpointFixture()
        try fixture.write(step: 1)
        let seen = Seen()
        try write(fixture) { stage in
            let copy = fixture("killed-\(seen.stages.count)")
            try FileManager.default.copyItem(atPath: fixture.run, toPath: copy)
            seen.stages.append(stage)
        }
        #expect(seen.stages == Self.stages)
        for (number, stage) in seen.stages.enumerated() {
            let run = fixture("killed-\(number)")
            let step = stage == .renamed ? 2 : 1
            let store = CheckpointStore(run: run)
            #expect(try store.committed().map(\.step) == (step == 2 ? [1, 2] : [1]))
            let left = try names(in: store.folder).filter { $0.hasPrefix(".partial-") }
            #expect(left.count == (stage == .renamed ? 0 : 1))
            let (reader, skipped) = try #require(try store.latestValid())
            #expect(reader.metadata.step == step && skipped.isEmpty)
            let room = fixture.room(like: fixture.tensors())
            try reader.load(room)
            for (a, b) in zip(fixture.tensors(seed: step), room) { #expect(bits(a) == bits(b)) }
            store.cleanPartials()
            #expect(try names(in: store.folder).allSatisfy { $0.hasPrefix("step-") })
            // And the same step can be saved after the restart.
            if step == 1 {
                _ = try CheckpointWriter.write(
                    fixture.tensors(seed: 2), metadata: CheckpointFixture.metadata(step: 2), run: run)
                #expect(try store.latestValid()?.reader.metadata.step == 2)
            }
        }
    }

    @Test func aFailureSweepsUp() throws {
        for stop in Self.stages.dropLast() {
            let fixture = try CheckpointFixture()
            try fixture.write(step: 1)
            #expect(throws: Stop.self) { try write(fixture) { stage in if stage == stop { throw Stop() } } }
            #expect(try names(in: fixture("run/checkpoints")) == ["step-0000001"])
        }
    }

    @Test func aSecondWriterOfTheStepLoses() throws {
        let fixture = try CheckpointFixture()
        let error = try #require(throws: StorageError.self) {
            try write(fixture) { if $0 == .commit { try fixture.write(step: 2, seed: 9) } }
        }
        #expect(error.kind == .exists)
        let room = fixture.room(like: fixture.tensors())
        try CheckpointReader.open(fixture("run/checkpoints/step-0000002")).load(room)
        #expect(bits(room[0]) == bits(fixture.tensors(seed: 9)[0]))
        #expect(try names(in: fixture("run/checkpoints")) == ["step-0000002"])
    }

    /// A small disk, where this process may mount one; elsewhere a file stands in the way.
    @Test func aFullDiskIsOneClearError() throws {
        let fixture = try CheckpointFixture()
        try AtomicFile.createDirectory(fixture.run)
        let isMounted =
            try run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", fixture.run]).status == 0
        defer { if isMounted { _ = try? run(["umount", "-l", fixture.run]) } }
        guard isMounted else {
            try AtomicFile.write("", to: fixture("run/checkpoints"))
            #expect(throws: StorageError.self) { try fixture.write(step: 1) }
            return
        }
        try fixture.write(step: 1)
        // Rows of 64 KiB: the disk is full in the midst of the data; small tensors: at the end, in HDF5's own tables.
        let large = fixture.tensor("model", "large", [32, 16_384]) { Float($0) }
        let available = try #require(Files.availableBytes(at: fixture.run))
        let many = (0..<3000).map { fixture.tensor("model", "small.\($0)", [1]) { Float($0) } }
        for tensors in [[large], many] {
            let error = try #require(throws: StorageError.self) {
                _ = try CheckpointWriter.write(tensors, metadata: CheckpointFixture.metadata(step: 2), run: fixture.run)
            }
            #expect(error.kind == .io && error.message.contains("the disk is full"), "\(error)")
            #expect(try names(in: fixture("run/checkpoints")) == ["step-0000001"])
            // For the next save: no file that is gone is still held open.
            #expect(Files.availableBytes(at: fixture.run) == available)
        }
        #expect(try fixture.store.latestValid()?.reader.metadata.step == 1)
    }

    @Test func aReadOnlyDiskIsOneClearError() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1)
        let isMounted =
            try run(["mount", "--bind", fixture.run, fixture.run]).status == 0
            && run(["mount", "-o", "remount,bind,ro", fixture.run]).status == 0
        defer { if isMounted { _ = try? run(["umount", "-l", fixture.run]) } }
        let run = isMounted ? fixture.run : "/proc/self/run"
        let error = try #require(throws: StorageError.self) {
            _ = try CheckpointWriter.write([], metadata: CheckpointFixture.metadata(step: 2), run: run)
        }
        #expect(!error.description.contains("\n"))
        guard isMounted else { return }
        #expect(error.kind == .io && error.message.contains("read-only"), "\(error)")
        #expect(try CheckpointStore.found(fixture.run) == path)
    }
}
