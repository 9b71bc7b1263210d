import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct CheckpointRoundTripTests {
    @Test(arguments: [1, 2, 3, 7]) func bitsAndMetadataReturn(writers: Int) throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1000, writers: writers)
        #expect(path == fixture("run/checkpoints/step-0001000"))
        let rankFiles = (0..<writers).map { CheckpointNames.rank($0, of: writers) }
        #expect(try names(in: path) == ["COMMIT", "checkpoint.h5"] + rankFiles)
        let reader = try CheckpointReader.open(path)
        #expect(reader.metadata == CheckpointFixture.metadata(step: 1000).with(created: reader.metadata.created))
        #expect(reader.metadata.created.hasSuffix("Z"))
        let written = fixture.tensors(seed: 1000)
        let room = fixture.room(like: written)
        try reader.load(room)
        for (a, b) in zip(written, room) { #expect(bits(a) == bits(b), "\(a.extent)") }
        #expect(reader.index.tensors.count == written.count)
        #expect(try CheckpointVerification(path).isValid)
    }

    @Test func namesAreInTheOrderPeopleCountIn() throws {
        let fixture = try CheckpointFixture()
        let names = try CheckpointReader.open(fixture.write(step: 1)).index.tensors.filter { $0.group == "ema" }.map(
            \.name)
        #expect(names.firstIndex(of: "blocks.2.mlp.fc1.weight") == 0)
        #expect(names.firstIndex(of: "blocks.10.mlp.fc1.weight") == 1)
    }

    @Test func equalContentGivesEqualBytes() throws {
        let (a, b) = (try CheckpointFixture(), try CheckpointFixture())
        let metadata = CheckpointFixture.metadata(step: 5).with(created: "2025-01-01T00:00:00Z")
        let paths = try [a, b].map { try CheckpointWriter.write($0.tensors(), metadata: metadata, run: $0.run) }
        for name in try names(in: paths[0]) {
            #expect(try Files.read("\(paths[0])/\(name)") == Files.read("\(paths[1])/\(name)"), "\(name)")
        }
    }

    @Test func noHosts() throws {
        let fixture = try CheckpointFixture()
        let metadata = CheckpointMetadata(step: 0, jobYAML: "", worldSize: 1, hosts: [], version: "")
        let path = try CheckpointWriter.write([], metadata: metadata, run: fixture.run)
        #expect(try CheckpointReader.open(path).metadata == metadata)
    }

    @Test func anotherModelIsNamed() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1)
        let reader = try CheckpointReader.open(path)
        var wanted = fixture.tensors().filter { $0.extent.group == "ema" }
        try reader.load(wanted)
        wanted.removeAll { $0.extent.name == "tall" || $0.extent.name == "one" }
        wanted.append(fixture.tensor("ema", "tall", [1, 101]) { _ in 5 })
        wanted.append(fixture.tensor("ema", "new.bias", [2]) { _ in 5 })
        try checkpointFailure(
            .otherModel, naming: path, "lacks ema/new.bias", "holds besides ema/one",
            "ema/tall has shape [101, 1], not [1, 101]"
        ) { try reader.load(wanted) }
        // Nothing is read before all is compared.
        #expect(wanted.last?.values[0] == 5)
        let small = fixture.tensor("ema", "wide", [3]) { _ in 0 }
        try checkpointFailure(.otherModel, naming: "ema/wide", "[1, 997]", "3 are wanted") {
            try reader.read(group: "ema", name: "wide", into: small.values)
        }
        try checkpointFailure(.otherModel, naming: "ema/no") {
            try reader.read(group: "ema", name: "no", into: small.values)
        }
    }

    @Test func manyMissingAreCounted() throws {
        let fixture = try CheckpointFixture()
        let reader = try CheckpointReader.open(fixture.write(step: 1))
        let wanted = (0..<9).map { fixture.tensor("other", "t\($0)", [1]) { _ in 0 } }
        try checkpointFailure(.otherModel, naming: "lacks other/t0, other/t1, other/t2 and 6 more") {
            try reader.load(wanted)
        }
    }
}

extension CheckpointMetadata {
    func with(created: String) -> CheckpointMetadata {
        var metadata = self
        metadata.created = created
        return metadata
    }
}
