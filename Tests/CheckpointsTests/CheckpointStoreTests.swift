import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct CheckpointStoreTests {
    private func breakFile(_ path: String) throws {
        try Foundation.Data(try Files.read(path).dropLast()).write(to: URL(fileURLWithPath: path))
    }

    @Test func theNewestGoodOneIsFound() throws {
        let fixture = try CheckpointFixture()
        #expect(try fixture.store.latestValid { _, _ in } == nil)
        for step in [9, 10, 20, 12_345_678] { try fixture.write(step: step) }
        try AtomicFile.createDirectory(fixture("run/checkpoints/.partial-step-99999999-1-1"))
        try AtomicFile.createDirectory(fixture("run/checkpoints/step-30"))
        #expect(try fixture.store.committed().map(\.step) == [9, 10, 20, 12_345_678])
        try breakFile(fixture("run/checkpoints/step-12345678/rank-00000-of-00001.h5"))
        try AtomicFile.removeTree(fixture("run/checkpoints/step-0000020/COMMIT"))
        // Looking only looks.
        var skipped: [String] = []
        let looked = try CheckpointStore.resolve(fixture.run) { path, _ in skipped.append(path) }
        #expect(looked == fixture("run/checkpoints/step-0000010"))
        #expect(skipped == [fixture("run/checkpoints/step-12345678"), fixture("run/checkpoints/step-0000020")])

        var reasons: [String] = []
        let reader = try fixture.store.latestValid { _, reason in reasons.append(reason) }
        #expect(reader?.metadata.step == 10)
        #expect(reasons.count == 2)
        #expect(reasons[0].contains("rank-00000-of-00001.h5: has ") && reasons[0].contains(".bad-step-12345678"))
        #expect(reasons[1].contains("COMMIT: is missing"))
        fixture.store.cleanPartials()
        #expect(
            try names(in: fixture("run/checkpoints")) == [
                ".bad-step-0000020", ".bad-step-12345678", "step-0000009", "step-0000010", "step-30",
            ])
    }

    @Test func aRenamedStepIsNotTaken() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 5)
        try AtomicFile.rename(from: path, to: fixture("run/checkpoints/step-0000006"))
        var reasons: [String] = []
        #expect(try fixture.store.latestValid { reasons.append($1) } == nil)
        #expect(reasons.first?.contains("holds step 5") == true)
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
            #expect(try CheckpointStore.resolve(path) == newest)
            #expect(try CheckpointStore.open(path).metadata.step == 2)
        }
        #expect(try CheckpointStore.resolve(fixture("run/")).hasSuffix("step-0000002"))
        #expect(try CheckpointStore.all(under: fixture.run).count == 2)
        // A copy under any name.
        try AtomicFile.rename(from: newest, to: fixture("mine"))
        #expect(try CheckpointStore.open(fixture("mine")).metadata.step == 2)

        try checkpointFailure(.missing, naming: fixture("nothing")) {
            _ = try CheckpointStore.resolve(fixture("nothing"))
        }
        try checkpointFailure(.missing, naming: "holds no checkpoint") {
            _ = try CheckpointStore.resolve(fixture.folder)
        }
        try checkpointFailure(.missing, naming: "is a file") {
            _ = try CheckpointStore.resolve(fixture("mine/COMMIT"))
        }
        try breakFile(fixture("run/checkpoints/step-0000001/COMMIT"))
        try checkpointFailure(.damaged, naming: "only checkpoint is damaged", "COMMIT") {
            _ = try CheckpointStore.resolve(fixture.run)
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
            ("\(long)/checkpoints", { _ = try CheckpointStore(run: long).latestValid { _, _ in } }),
            (long, { _ = try CheckpointStore.resolve(long) }),
            (long, { _ = try CheckpointReader.open(long) }),
            (fixture("looped/checkpoints"), { _ = try CheckpointStore.resolve(fixture("looped")) }),
        ]
        for (path, call) in calls {
            let error = storageError { try call() }
            #expect(error?.kind == .io && error?.path == path, "\(String(describing: error))")
        }
    }
}
