import Datasets
import Storage
import TestSupport
import Testing

@Suite("Data sets of moments")
struct MomentsTests {
    private let folder: TestFolder
    init() throws { folder = try TestFolder() }

    private var moments: MadeUpSource {
        var source = MadeUpSource(count: 5, channels: 4, type: .float32, scaling: (1, 0))
        source.latents = LatentScaling(scale: 0.18215, shift: 0.5, autoencoder: "1a2b3c4d")
        return source
    }

    @Test("their scaling and their autoencoder are recorded, and belong to the fingerprint")
    func recorded() throws {
        try DatasetWriter.write(moments, to: folder("a"), content: "moments")
        let set = try ShardedDataset(path: folder("a"))
        #expect(set.attributes.latents == moments.latents && set.content == "moments")
        var other = moments
        other.latents = LatentScaling(scale: 0.2, shift: 0.5, autoencoder: "1a2b3c4d")
        try DatasetWriter.write(other, to: folder("b"), content: "moments")
        let differences = try ShardedDataset(path: folder("b")).fingerprint().differences(from: try set.fingerprint())
        #expect(differences == ["content, scale, shift or the kind of labels differ"])
        #expect(try DatasetSummary(set).latents == "(latent - 0.5) * 0.18215, autoencoder 1a2b3c4d")
    }

    @Test("without a scaling they are refused")
    func unscaled() throws {
        var source = moments
        source.latents = nil
        try DatasetWriter.write(source, to: folder("a"), content: "moments")
        let error = try #require(throws: DatasetError.self) { try ShardedDataset(path: folder("a")) }
        #expect(error.message.contains("lacks the attribute latentScale"))
    }

    @Test("an odd number of channels is no moments")
    func odd() throws {
        var source = moments
        source.channels = 3
        try DatasetWriter.write(source, to: folder("a"), content: "moments")
        let problems = DatasetVerifier.verify(path: folder("a")).problems.map(\.description)
        #expect(problems.count == 1 && problems[0].contains("means and as many variances"))
    }
}
