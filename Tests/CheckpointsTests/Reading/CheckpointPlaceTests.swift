import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// What stands where a checkpoint's files should be, and folders under wrong names.
@Suite struct CheckpointPlaceTests {
    private static let parts = ["COMMIT", "checkpoint.h5", "rank-00000-of-00001.h5"]

    /// Nothing is waited for, and each is damage like any other: skipped, with the reason.
    @Test(arguments: parts, ["folder", "pipe", "device", "empty"])
    func whatIsNoFileIsDamage(name: String, kind: String) throws {
        let fixture = try CheckpointFixture()
        try fixture.write(step: 1)
        let path = try fixture.write(step: 2)
        let file = "\(path)/\(name)"
        try AtomicFile.removeTree(file)
        switch kind {
        case "folder": try AtomicFile.createDirectory(file)
        case "pipe": #expect(mkfifo(file, 0o600) == 0)
        case "device": symlink("/dev/zero", file)
        default: try AtomicFile.write("", to: file)
        }
        try checkpointFailure(.damaged, naming: file) { _ = try CheckpointReader.open(path) }
        let (reader, skipped) = try #require(try fixture.store.latestValid())
        #expect(reader.metadata.step == 1 && skipped.map(\.path) == [path])
        #expect(skipped[0].reason.hasPrefix("\(file): "))
        let verification = try CheckpointVerification(path)
        #expect(verification.files.filter { $0.problem != nil }.map(\.name) == [name])
        if kind != "empty" { #expect(skipped[0].reason.contains("is a \(kind), not a file")) }
        // It makes way for the step when that is saved again.
        try fixture.write(step: 2)
        #expect(try CheckpointReader.open(path).metadata.step == 2)
    }

    @Test func aStepThatIsNoFolderIsSkipped() throws {
        let fixture = try CheckpointFixture()
        try fixture.write(step: 1)
        try AtomicFile.write("", to: fixture("run/checkpoints/step-0000002"))
        #expect(mkfifo(fixture("run/checkpoints/step-0000003"), 0o600) == 0)
        let (reader, skipped) = try #require(try fixture.store.latestValid())
        #expect(reader.metadata.step == 1 && skipped.map { $0.path.suffix(1) } == ["3", "2"])
    }

    @Test func aFolderNamedAfterAnotherStepIsDamaged() throws {
        let fixture = try CheckpointFixture()
        try fixture.write(step: 10)
        let path = fixture("run/checkpoints/step-0000030")
        try AtomicFile.rename(from: fixture.write(step: 20), to: path)
        for path in [path, path + "/"] {
            try checkpointFailure(.damaged, naming: path, "holds step 20", "rename it to step-0000020") {
                _ = try CheckpointReader.open(path)
            }
        }
        let verification = try CheckpointVerification(path)
        #expect(!verification.isValid && verification.step == 20)
        // The rest is gone through all the same.
        #expect(verification.files.map { $0.problem == nil } == [true, false, true])
        #expect(verification.files[1].problem?.contains("holds step 20") == true)
        let (reader, skipped) = try #require(try fixture.store.latestValid())
        #expect(reader.metadata.step == 10 && skipped.map(\.path) == [path])
        // Under a name that tells no step it is what it is.
        try AtomicFile.rename(from: path, to: fixture("mine"))
        #expect(try CheckpointReader.open(fixture("mine")).metadata.step == 20)
        #expect(try CheckpointVerification(fixture("mine")).isValid)
    }
}
