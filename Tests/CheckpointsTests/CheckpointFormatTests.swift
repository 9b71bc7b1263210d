import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// Checkpoints of earlier versions of this program.
@Suite struct CheckpointFormatTests {
    /// Made by version 0.1 itself, which also printed the values below:
    ///
    ///     fpdm train jobs/digits-dit.yaml --set model.width=4 --set model.heads=1 --set model.depth=1
    ///         --set training.steps=3 --set training.globalBatch=4 --set run.directory=runs/version-0.1
    ///         --set run.threads=1 --set checkpoint.every=0 --set optimizer.warmupSteps=0
    ///     fpdm checkpoint inspect runs/version-0.1 --tensors --json
    private let path = "\(repository)/Tests/CheckpointsTests/version-0.1/step-0000003"

    @Test func version1IsRead() throws {
        let reader = try CheckpointReader.open(path)
        let metadata = reader.metadata
        #expect(metadata.format == 1 && metadata.step == 3 && metadata.version == "0.1.0")
        #expect(metadata.worldSize == 1 && metadata.hosts == ["node-1"])
        #expect(metadata.jobYAML.contains("gradientShards: 4") && metadata.environment["precision"] == "float32")
        #expect(metadata.updates == 3 && metadata.skippedInARow == 0 && metadata.dataset.isEmpty)
        #expect(metadata.grids.isEmpty && metadata.changes == "[]")
        #expect(try CheckpointVerification(path).isValid)

        let found = try CheckpointInspection(reader, model: nil, tensors: true)
        #expect(found.groups.map(\.name) == ["ema", "model", "optimizer/m", "optimizer/v"])
        #expect(found.groups.allSatisfy { $0.tensors == 21 && $0.values == 1520 })
        let tensors = try #require(found.tensors).filter { $0.name == "final_layer.linear.weight" }
        #expect(tensors.allSatisfy { $0.shape == [4, 4] && $0.nan == 0 && $0.infinite == 0 })
        #expect(
            tensors.map { $0.norm / 4 } == [
                5.372954760841417e-05, 0.005171815128904607, 0.021541618915956753, 3.825978951772956e-05,
            ])
        #expect(
            tensors.map(\.maximum) == [
                5.949224214418791e-05, 0.005963577423244715, 0.0475221648812294, 0.00011932261986657977,
            ])
    }

    /// By rows, too.
    @Test func version1IsReadByRows() throws {
        let fixture = try CheckpointFixture()
        let reader = try CheckpointReader.open(path)
        let whole = fixture.tensor("model", "final_layer.linear.weight", [4, 4]) { _ in 0 }
        let rows = fixture.tensor("model", "final_layer.linear.weight", [2, 4]) { _ in 0 }
        try reader.read(group: "model", name: "final_layer.linear.weight", into: whole.values)
        try reader.read(group: "model", name: "final_layer.linear.weight", rows: 1..<3, into: rows.values)
        #expect(rows.values.array == Array(whole.values.array[4..<12]))
        #expect(Set(rows.values.array).count > 1)
    }

    @Test func whatVersion1DidNotKnowMustBeThereNow() throws {
        let fixture = try CheckpointFixture()
        for name in ["updates", "skipped_in_a_row", "dataset", "grids", "changes"] {
            let path = fixture("\(name).h5")
            let file = try HDF5File.create(path)
            try CheckpointFixture.metadata(step: 3).write(to: file)
            #expect(try CheckpointMetadata(reading: file, format: 2).updates == 2)
            try file.setAttribute(name, [0.5])
            #expect(throws: StorageError.self) { try CheckpointMetadata(reading: file, format: 2) }
            try file.close()
        }
        let file = try HDF5File.create(fixture("wide.h5"))
        try CheckpointFixture.metadata(step: 3).write(to: file)
        try file.setAttribute("grids", [1 << 40])
        try checkpointFailure(.damaged, naming: "wide.h5", "grids") {
            _ = try CheckpointMetadata(reading: file, format: 2)
        }
        try file.close()
    }
}
