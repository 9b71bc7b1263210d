import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct CheckpointRetentionTests {
    private struct Stop: Error {}

    @Test func nothingIsExpendableUnlessToldSo() {
        #expect(CheckpointRetention(keepLast: 0, keepEvery: 0).expendable([1, 2, 3], latest: 3).isEmpty)
        #expect(CheckpointRetention(keepLast: 0, keepEvery: 2).expendable([1, 2, 3], latest: 3).isEmpty)
    }

    @Test func theLastOnesStayAndMultiples() {
        let steps = [50, 10, 20, 30, 40]
        #expect(CheckpointRetention(keepLast: 1, keepEvery: 0).expendable(steps, latest: 50) == [10, 20, 30, 40])
        #expect(CheckpointRetention(keepLast: 2, keepEvery: 0).expendable(steps, latest: 50) == [10, 20, 30])
        #expect(CheckpointRetention(keepLast: 2, keepEvery: 20).expendable(steps, latest: 50) == [10, 30])
        #expect(CheckpointRetention(keepLast: 9, keepEvery: 0).expendable(steps, latest: 50).isEmpty)
        // Later ones, which are another's, neither go nor count.
        #expect(CheckpointRetention(keepLast: 2, keepEvery: 0).expendable(steps, latest: 30) == [10])
    }

    /// Whatever is saved one after the other: each time exactly what the rule says stays, the latest among it.
    @Test(arguments: 0..<60) func anySequence(_ seed: Int) throws {
        var values = randomFloats(100, seed: UInt64(seed))
        func below(_ limit: Int) -> Int { Int((values.removeLast() + 1) / 2 * Float(limit)) }
        let retention = CheckpointRetention(keepLast: below(5), keepEvery: below(4) * 7)
        var (step, kept, all): (Int, Set<Int>, [Int]) = (0, [], [])
        for _ in 0..<40 {
            step += below(2) == 0 ? 7 - step % 7 : 1 + below(20)
            kept.insert(step)
            all.append(step)
            kept.subtract(retention.expendable(Array(kept), latest: step))
            let expected = all.enumerated().filter { index, one in
                retention.keepLast == 0 || index >= all.count - retention.keepLast
                    || (retention.keepEvery > 0 && one % retention.keepEvery == 0)
            }
            #expect(kept == Set(expected.map(\.element)))
            #expect(kept.contains(step))
        }
    }

    /// As many as a run's disk must hold at once: found by doing it.
    @Test(arguments: 0..<60) func theMostThatStand(_ seed: Int) {
        var values = randomFloats(10, seed: UInt64(seed))
        func below(_ limit: Int) -> Int { Int((values.removeLast() + 1) / 2 * Float(limit)) }
        let (first, every) = (below(30), below(4) * 5)
        let last = first + 1 + below(200)
        let retention = CheckpointRetention(keepLast: below(4), keepEvery: below(3) * 10)
        var (kept, most): (Set<Int>, Int) = ([], 0)
        for step in first + 1...last where step == last || (every > 0 && step % every == 0) {
            kept.insert(step)
            most = max(most, kept.count)
            kept.subtract(retention.expendable(Array(kept), latest: step))
        }
        let told = retention.count(of: first..<last, every: every)
        // Multiples among the last ones are counted twice, and so may be those that are never saved.
        let twice =
            retention.keepLast == 0 || retention.keepEvery == 0
            ? 0 : retention.keepLast + 1 + last / retention.keepEvery
        #expect(told >= most && told <= most + twice)
        #expect(CheckpointRetention(keepLast: .max, keepEvery: 0).count(of: 0..<10, every: 3) == 4)
    }

    @Test func whatNeedNotStayIsDeleted() throws {
        let fixture = try CheckpointFixture()
        for step in 1...5 { try fixture.write(step: step) }
        // Not checkpoints, and none of retention's business.
        for other in ["step-3", "mine", ".bad-step-0000001"] {
            try AtomicFile.createDirectory(fixture("run/checkpoints/\(other)"))
        }
        let (removed, troubles) = CheckpointRetention(keepLast: 2, keepEvery: 2)
            .apply(to: fixture.store, latest: 5) { _ in }
        #expect(removed == [1, 3].map { fixture.store.path(of: $0) } && troubles.isEmpty)
        #expect(
            try names(in: fixture.store.folder)
                == [".bad-step-0000001", "mine", "step-0000002", "step-0000004", "step-0000005", "step-3"])
        #expect(try fixture.store.latestValid()?.reader.metadata.step == 5)
    }

    /// Stopped in the midst of it, nothing half deleted goes by a checkpoint's name, and the next start sweeps up.
    @Test func deletionRenamesFirst() throws {
        let fixture = try CheckpointFixture()
        for step in 1...3 { try fixture.write(step: step) }
        let retention = CheckpointRetention(keepLast: 1, keepEvery: 0)
        let (removed, troubles) = retention.apply(to: fixture.store, latest: 3) { stage in
            #expect(stage == .retention)
            throw Stop()
        }
        #expect(removed.isEmpty && troubles.count == 2)
        #expect(
            try names(in: fixture.store.folder)
                == [".deleting-step-0000001", ".deleting-step-0000002", "step-0000003"])
        #expect(try fixture.store.committed().map(\.step) == [3])
        fixture.store.cleanPartials()
        #expect(try names(in: fixture.store.folder) == ["step-0000003"])
        // What is left of an earlier deletion is in no later one's way.
        try AtomicFile.createDirectory(fixture("run/checkpoints/.deleting-step-0000003"))
        try fixture.write(step: 4)
        #expect(retention.apply(to: fixture.store, latest: 4) { _ in }.removed == [fixture.store.path(of: 3)])
        #expect(try names(in: fixture.store.folder) == ["step-0000004"])
    }

    @Test func whatStandsInTheWayIsSaid() throws {
        let fixture = try CheckpointFixture()
        try AtomicFile.createDirectory(fixture.run)
        try AtomicFile.write("a file", to: fixture.store.folder)
        let (removed, troubles) = CheckpointRetention(keepLast: 1, keepEvery: 0)
            .apply(to: fixture.store, latest: 1) { _ in }
        #expect(removed.isEmpty && troubles.count == 1 && troubles[0].hasPrefix(fixture.store.folder))
    }

    // MARK: - Space

    @Test func aCheckpointTakesItsValuesAtLeast() throws {
        let fixture = try CheckpointFixture()
        let shares = fixture.cut(fixture.tensors(), writers: 3).map { $0.map(\.extent) }
        let bytes = CheckpointSpace.bytes(shares)
        let perGroup = CheckpointFixture.shapes.reduce(0) { $0 + $1.1.reduce(1, *) }
        #expect(bytes == 4 * 4 * perGroup)
        let path = try fixture.write(step: 1, writers: 3)
        #expect(try names(in: path).reduce(0) { try $0 + Files.size(of: "\(path)/\($1)") } > bytes)
    }

    @Test func aDiskWithoutRoomIsRefused() throws {
        let folder = try TestFolder()
        // A folder that is still to be made lies on the disk of the one above it.
        let run = folder("a/b/run")
        try CheckpointSpace.require(1, in: run)
        let available = try #require(Files.availableBytes(at: run))
        let error = try #require(throws: StorageError.self) {
            try CheckpointSpace.require(available + 1 << 40, in: run)
        }
        #expect(error.kind == .io && error.path == run && error.message.contains("checkpoint.keepLast"))
        #expect(CheckpointSpace.note(1, count: 3, in: run) == nil)
        let note = try #require(CheckpointSpace.note(available / 2, count: 2000, in: run))
        #expect(note.contains("2,000 checkpoints") && note.contains("checkpoint.keepLast"))
        #expect(CheckpointSpace.note(.max / 2, count: 3, in: run) != nil)
        // File systems that do not tell are not taken for full.
        #expect(Files.availableBytes(at: "/proc/self") == nil)
        try CheckpointSpace.require(1 << 50, in: "/proc/self/run")
    }
}
