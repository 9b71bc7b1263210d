import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct CheckpointDifferenceTests {
    private func difference(
        _ a: [CheckpointPiece], _ b: [CheckpointPiece], _ fixture: CheckpointFixture, stepB: Int = 3,
        writersB: Int = 1, _ change: (inout CheckpointMetadata) -> Void = { _ in }
    ) throws -> CheckpointDifference {
        var metadata = CheckpointFixture.metadata(step: stepB)
        metadata.updates = CheckpointFixture.metadata(step: 3).updates
        change(&metadata)
        let pathA = try CheckpointWriter.write(a, metadata: CheckpointFixture.metadata(step: 3), run: fixture("a"))
        let shares = fixture.cut(b, writers: writersB)
        let pathB = try CheckpointWriter.write(shares, metadata: metadata, run: fixture("b")) { _ in }
        return try CheckpointDifference(CheckpointReader.open(pathA), CheckpointReader.open(pathB))
    }

    @Test func onlyTensorsAndStepCount() throws {
        let fixture = try CheckpointFixture()
        let found = try difference(fixture.tensors(), fixture.tensors(), fixture, writersB: 4) {
            $0.worldSize = 4
            $0.hosts = ["elsewhere"]
            $0.created = "2001-01-01T00:00:00Z"
            $0.jobYAML += "training: {steps: 9}\n"
            $0.environment["precision"] = "bf16"
            $0.dataset = "another"
            $0.changes = "[]"
        }
        #expect(found.isEqual)
        #expect(found.tensors.allSatisfy { $0.verdict == .equal })
        #expect(
            Set(found.metadata.map(\.name)) == [
                "worldSize", "hosts", "created", "job", "precision", "dataset", "changes",
            ])
        let job = found.metadata.first { $0.name == "job" }
        #expect(job == .init(name: "job", a: "", b: "training: {steps: 9}"))
    }

    @Test func theStepCounts() throws {
        let fixture = try CheckpointFixture()
        let found = try difference(fixture.tensors(), fixture.tensors(), fixture, stepB: 4)
        #expect(!found.isEqual && found.tensors.allSatisfy { $0.verdict == .equal })
    }

    /// What training goes on from counts, though no tensor shows it.
    @Test func theStateCounts() throws {
        let fixture = try CheckpointFixture()
        let found = try difference(fixture.tensors(), fixture.tensors(), fixture) {
            ($0.updates, $0.skippedInARow) = (3, 0)
            $0.grids = [-149, 4, .min]
            ($0.timestepCounts, $0.timestepLosses[1]) = ([2, 1], 0.5)
        }
        #expect(!found.isEqual && found.tensors.allSatisfy { $0.verdict == .equal })
        #expect(
            found.state == [
                .init(name: "updates", a: "2", b: "3"), .init(name: "skippedInARow", a: "1", b: "0"),
                .init(name: "grids", a: "1: 3, 3: 2147483647", b: "1: 4"),
                .init(name: "timestepCounts", a: "1: 0", b: "1: 1"),
                .init(name: "timestepLosses", a: "1: 1e-45", b: "1: 0.5"),
            ])
    }

    @Test func differencesAreMeasured() throws {
        let fixture = try CheckpointFixture()
        func make(_ name: String, _ values: [Float]) -> CheckpointPiece {
            fixture.tensor("model", name, [values.count]) { values[$0] }
        }
        let found = try difference(
            [
                make("a", [3, 4]), make("zero", [0, 1]), make("nan", [.nan, 1]), make("shape", [1]), make("gone", [1]),
            ],
            [
                make("a", [3, 4.5]), make("zero", [-0.0, 1]), make("nan", [2, 1]), make("shape", [1, 1]),
                make("new", [1]),
            ],
            fixture)
        let by = Dictionary(uniqueKeysWithValues: found.tensors.map { ($0.name, $0) })
        #expect(!found.isEqual && found.tensors.count == 6)
        #expect(by["a"]?.verdict == .different && by["a"]?.differing == 1)
        #expect(by["a"]?.maximum == 0.5 && by["a"]?.relative == 0.1)
        #expect(by["zero"]?.verdict == .different && by["zero"]?.maximum == 0 && by["zero"]?.relative == 0)
        #expect(by["nan"]?.maximum.isNaN == true)
        #expect(by["shape"]?.verdict == .shape && by["shape"]?.otherShape == [2])
        #expect(by["gone"]?.verdict == .onlyInA && by["new"]?.verdict == .onlyInB)
    }

    /// However the two are cut into pieces.
    @Test(arguments: [1, 3]) func oneBitIsEnough(writers: Int) throws {
        let fixture = try CheckpointFixture()
        let changed = fixture.tensors()
        let last = changed[changed.count - 1].values
        last[last.count - 1] = last[last.count - 1].nextUp
        let found = try difference(fixture.tensors(), changed, fixture, writersB: writers)
        #expect(!found.isEqual)
        #expect(found.tensors.filter { $0.verdict != .equal }.map(\.name) == ["wide"])
    }
}
