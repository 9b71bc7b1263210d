import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct CheckpointStoreTests {
    private func breakFile(_ path: String) throws {
        try Foundation.Data(try Files.read(path).dropLast()).write(to: URL(fileURLWithPath: path))
    }

    @Test func theLatestValidOneIsFound() throws {
        let fixture = try CheckpointFixture()
        #expect(try fixture.store.latestValid() == nil)
        for step in [9, 10, 20, 12_345_678] { try fixture.write(step: step) }
        try AtomicFile.createDirectory(fixture("run/checkpoints/.partial-step-99999999-1-1"))
        try AtomicFile.createDirectory(fixture("run/checkpoints/step-30"))
        #expect(try fixture.store.committed().map(\.step) == [9, 10, 20, 12_345_678])
        try breakFile(fixture("run/checkpoints/step-12345678/rank-00000-of-00001.h5"))
        try AtomicFile.removeTree(fixture("run/checkpoints/step-0000020/COMMIT"))
        // Looking only looks.
        var skipped: [String] = []
        let looked = try CheckpointStore.open(fixture.run, skipped: { skipped.append($0.path) })
        #expect(looked.path == fixture("run/checkpoints/step-0000010"))
        #expect(try CheckpointStore.found(fixture.run) == looked.path)
        #expect(skipped == [fixture("run/checkpoints/step-12345678"), fixture("run/checkpoints/step-0000020")])

        let before = try names(in: fixture("run/checkpoints"))
        let latest = try #require(try fixture.store.latestValid())
        #expect(latest.reader.metadata.step == 10)
        #expect(latest.skipped.map(\.path) == skipped)
        #expect(latest.skipped[0].reason.contains("rank-00000-of-00001.h5: has "))
        #expect(latest.skipped[1].reason.contains("COMMIT: is missing"))
        #expect(try names(in: fixture("run/checkpoints")) == before)

        try CheckpointStore.setAside(skipped)
        fixture.store.cleanPartials()
        #expect(try fixture.store.latestValid()?.skipped.isEmpty == true)
        #expect(
            try names(in: fixture("run/checkpoints")) == [
                ".bad-step-0000020", ".bad-step-12345678", "step-0000009", "step-0000010", "step-30",
            ])
    }

    @Test func aRenamedStepIsNotTaken() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 5)
        try AtomicFile.rename(from: path, to: fixture("run/checkpoints/step-0000006"))
        try checkpointFailure(.damaged, naming: "holds step 5") { _ = try fixture.store.latestValid() }
    }

    /// Work that cannot be gone on from is not silently begun again.
    @Test func allDamagedIsNotNone() throws {
        let fixture = try CheckpointFixture()
        for step in [1, 2] { try breakFile("\(fixture.write(step: step))/checkpoint.h5") }
        let before = try names(in: fixture.store.folder)
        let error = try checkpointFailure(
            .damaged, naming: "holds 2 checkpoints and none is valid; the latest: ", "step-0000002/checkpoint.h5",
            "restore one from a copy, or move the folder away to begin anew"
        ) { _ = try fixture.store.latestValid() }
        #expect(error.kind.status == .badData && error.path == fixture.store.folder)
        #expect(try names(in: fixture.store.folder) == before)
        // Those that were set aside earlier count too, also alone.
        try CheckpointStore.setAside([fixture("run/checkpoints/step-0000001")])
        try checkpointFailure(.damaged, naming: "holds 2 checkpoints and none is valid") {
            _ = try fixture.store.latestValid()
        }
        try CheckpointStore.setAside([fixture("run/checkpoints/step-0000002")])
        for search in [{ _ = try fixture.store.latestValid() }, { _ = try CheckpointStore.found(fixture.run) }] {
            try checkpointFailure(
                .damaged, naming: "holds 2 checkpoints and none is valid; the latest: .bad-step-0000002", body: search)
        }
        // What a stopped writer left of its first checkpoint is none.
        for name in try names(in: fixture.store.folder) { try AtomicFile.removeTree("\(fixture.store.folder)/\(name)") }
        try AtomicFile.createDirectory("\(fixture.store.folder)/.partial-step-0000001-1-1")
        #expect(try fixture.store.latestValid() == nil)
    }

    @Test func aStepIsNeverOverwritten() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 7, seed: 1)
        let bytes = try Files.read("\(path)/rank-00000-of-00001.h5")
        try checkpointFailure(.exists, naming: path) { try fixture.write(step: 7, seed: 2) }
        #expect(try Files.read("\(path)/rank-00000-of-00001.h5") == bytes)
        #expect(try names(in: fixture("run/checkpoints")) == ["step-0000007"])
        // Damaged ones give way, each under a name of its own.
        for time in 1...2 {
            try breakFile("\(path)/checkpoint.h5")
            try fixture.write(step: 7, seed: 2 + time)
            #expect(try CheckpointReader.open(path).metadata.step == 7)
        }
        #expect(
            try names(in: fixture("run/checkpoints")) == [".bad-step-0000007", ".bad-step-0000007-2", "step-0000007"])
    }

    @Test func pathsAreUnderstood() throws {
        let fixture = try CheckpointFixture()
        try fixture.write(step: 1)
        let newest = try fixture.write(step: 2)
        for path in [fixture.run, fixture("run/checkpoints"), newest] {
            #expect(try CheckpointStore.found(path) == newest)
            #expect(try CheckpointStore.open(path, skipped: { _ in }).metadata.step == 2)
        }
        #expect(try CheckpointStore.found(fixture("run/")).hasSuffix("step-0000002"))
        #expect(try CheckpointStore.all(under: fixture.run).count == 2)
        // A copy under any name.
        try AtomicFile.rename(from: newest, to: fixture("mine"))
        #expect(try CheckpointStore.open(fixture("mine"), skipped: { _ in }).metadata.step == 2)

        try checkpointFailure(.missing, naming: fixture("nothing")) {
            _ = try CheckpointStore.found(fixture("nothing"))
        }
        try checkpointFailure(.missing, naming: "holds no checkpoint") {
            _ = try CheckpointStore.found(fixture.folder)
        }
        try checkpointFailure(.missing, naming: "is a file") {
            _ = try CheckpointStore.found(fixture("mine/COMMIT"))
        }
        try breakFile(fixture("run/checkpoints/step-0000001/COMMIT"))
        try checkpointFailure(.damaged, naming: "holds 1 checkpoint and none is valid", "COMMIT") {
            _ = try CheckpointStore.found(fixture.run)
        }
        try checkpointFailure(.missing) { _ = try CheckpointReader.open(fixture("nothing")) }
    }

    /// Neither "none" nor "another folder's": training would begin anew beside the checkpoints that are there.
    @Test func aFolderThatCannotBeLookedUpIsNotARunWithoutCheckpoints() throws {
        let fixture = try CheckpointFixture()
        let long = fixture(String(repeating: "n", count: 256))
        try AtomicFile.createDirectory(fixture("looped"))
        symlink("checkpoints", fixture("looped/checkpoints"))
        let calls: [(path: String, call: () throws -> Void)] = [
            ("\(long)/checkpoints", { _ = try CheckpointStore(run: long).latestValid() }),
            (long, { _ = try CheckpointStore.found(long) }),
            (long, { _ = try CheckpointReader.open(long) }),
            (fixture("looped/checkpoints"), { _ = try CheckpointStore.found(fixture("looped")) }),
        ]
        for (path, call) in calls {
            let error = storageError { try call() }
            #expect([.io, .malformed].contains(error?.kind) && error?.path == path, "\(String(describing: error))")
        }
    }
}
