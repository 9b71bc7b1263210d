import Storage
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct CheckpointInspectionTests {
    @Test func valuesAreDescribed() throws {
        let fixture = try CheckpointFixture()
        let tensors = [
            fixture.tensor("ema", "t", [7]) { [3, .nan, -4, .infinity, 0, -.infinity, 1][$0] },
            fixture.tensor("ema", "none", [2]) { [.nan, .infinity][$0] },
            fixture.tensor("ema", "empty", [0, 3]) { _ in 0 },
        ]
        let path = try CheckpointWriter.write(tensors, metadata: CheckpointFixture.metadata(step: 3), run: fixture.run)
        let found = try CheckpointInspection(CheckpointReader.open(path), model: ("DiT", 7), tensors: true)
        #expect(found.groups == [.init(name: "ema", tensors: 3, values: 9)])
        let listed = try #require(found.tensors)
        let by = Dictionary(uniqueKeysWithValues: listed.map { ($0.name, $0) })
        #expect(
            by["t"]
                == .init(
                    group: "ema", name: "t", shape: [7], type: "float32", norm: 26.0.squareRoot(), minimum: -4,
                    maximum: 3,
                    mean: 0, deviation: 6.5.squareRoot(), nan: 1, infinite: 2))
        #expect(by["none"]?.norm == 0 && by["none"]?.mean.isNaN == true && by["none"]?.deviation.isNaN == true)
        #expect(by["none"]?.minimum.isNaN == true && by["empty"]?.mean.isNaN == true && by["empty"]?.norm == 0)
        #expect(try found.bytes == names(in: path).reduce(0) { try $0 + Files.size(of: "\(path)/\($1)") })
        #expect(found.model == "DiT" && found.parameters == 7)
    }

    /// Every number is the same to the bit for any number of writers.
    @Test func piecesDoNotShow() throws {
        let fixture = try CheckpointFixture()
        let found = try [1, 2, 5].map { writers in
            let shares = fixture.cut(fixture.tensors(), writers: writers)
            let metadata = CheckpointFixture.metadata(step: writers)
            let path = try CheckpointWriter.write(shares, metadata: metadata, run: fixture.run) { _ in }
            let tensors = try CheckpointInspection(CheckpointReader.open(path), model: nil, tensors: true).tensors
            return try #require(tensors).map {
                [$0.norm, $0.mean, $0.deviation, $0.minimum, $0.maximum].map(\.bitPattern)
            }
        }
        #expect(found[0] == found[1] && found[0] == found[2])
    }

    /// A deviation far smaller than the mean is not lost in the squares.
    @Test func aSmallDeviationIsSeen() throws {
        let fixture = try CheckpointFixture()
        let tensor = fixture.tensor("ema", "a", [1000]) { 4096 + Float($0 % 2) / 2048 }
        let constant = fixture.tensor("ema", "b", [1000]) { _ in 0.1 }
        let metadata = CheckpointFixture.metadata(step: 3)
        let path = try CheckpointWriter.write([tensor, constant], metadata: metadata, run: fixture.run)
        let found = try #require(
            try CheckpointInspection(CheckpointReader.open(path), model: nil, tensors: true).tensors)
        #expect(found[0].deviation == 1.0 / 4096 && found[0].mean == 4096 + 1.0 / 4096)
        #expect(found[1].deviation == 0 && found[1].mean == Double(Float(0.1)))
    }
}
