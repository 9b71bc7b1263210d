import Datasets
import Model
import Storage
import TestSupport
import Testing

@testable import Training

@Suite struct DatasetModelTests {
    private func misfit(_ body: () throws -> Void) throws -> DatasetError {
        try #require(throws: DatasetError.self) { try body() }
    }

    @Test func modelsThatDoNotFit() throws {
        let folder = try TestFolder()
        let (set, first) = (folder("set"), folder("set-00000-of-00002.h5"))
        let source = MadeUpSource()
        try DatasetWriter.write(source, to: set, shards: 2)
        let dataset = try ShardedDataset(path: set)
        func model(_ change: (inout ModelConfiguration) -> Void = { _ in }) -> ModelConfiguration {
            var model = ModelConfiguration()
            (model.imageSize, model.channels, model.classes) = (3, 2, 7)
            change(&model)
            return model
        }
        try dataset.requireFits(model())
        try dataset.requireFits(model { $0.conditioning = .none })
        let wrong: [(String, ModelConfiguration)] = [
            ("model.imageSize is 4; set it to 3", model { $0.imageSize = 4 }),
            ("model.channels is 1; set it to 2", model { $0.channels = 1 }),
            ("model.conditioning is continuous; set it to classes", model { $0.conditioning = .continuous }),
        ]
        for (what, model) in wrong {
            let error = try misfit { try dataset.requireFits(model) }
            #expect(error.kind == .malformed && error.path == set && error.message.contains(what), "\(error.message)")
        }
        // Labels are 0, 5, 3, 1, 6 and 4, 2, 0, 5, 3, 1.
        let error = try misfit { try dataset.requireFits(model { $0.classes = 5 }) }
        #expect(error.path == first && error.message.contains("sample 1 has label 5"))
        #expect(error.message.contains("at least 7"))
        // A file that is open cannot be edited: another data set.
        let other = folder("other-00001-of-00002.h5")
        try DatasetWriter.write(source, to: folder("other"), shards: 2)
        let file = try HDF5File.open(other, .readWrite)
        try file.dataset("/labels").write([Int32]([0, 1, 2, -3, 4, 5]))
        try file.close()
        let negative = try misfit { try ShardedDataset(path: folder("other")).requireFits(model()) }
        #expect(negative.path == other && negative.message.contains("sample 3 has label -3"))

        try DatasetWriter.write(MadeUpSource(labels: .continuous(4)), to: folder("vectors"))
        let vectors = try ShardedDataset(path: folder("vectors"))
        try vectors.requireFits(model { ($0.conditioning, $0.classes) = (.continuous, 4) })
        #expect(throws: DatasetError.self) { try vectors.requireFits(model { $0.conditioning = .continuous }) }
        #expect(throws: DatasetError.self) { try vectors.requireFits(model()) }
        try DatasetWriter.write(MadeUpSource(labels: .none), to: folder("plain"))
        let plain = try ShardedDataset(path: folder("plain"))
        try plain.requireFits(model { $0.conditioning = .none })
        #expect(throws: DatasetError.self) { try plain.requireFits(model()) }
        // Of moments a model sees half the channels.
        var halves = MadeUpSource(channels: 4, type: .float32, scaling: (1, 0))
        halves.latents = LatentScaling(scale: 0.5, shift: 0, autoencoder: nil)
        try DatasetWriter.write(halves, to: folder("moments"), content: "moments")
        let moments = try ShardedDataset(path: folder("moments"))
        try moments.requireFits(model())
        let tooMany = try misfit { try moments.requireFits(model { $0.channels = 4 }) }
        #expect(tooMany.message.contains("latents have 2 channels, but model.channels is 4; set it to 2"))
    }
}
