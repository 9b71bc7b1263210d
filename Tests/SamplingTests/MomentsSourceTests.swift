import Compute
import Datasets
import Reporting
import Storage
import TestSupport
import Testing

@testable import Sampling

@Suite("Images encoded while they are packed")
struct MomentsSourceTests {
    private static let path = "\(repository)/Tests/reference/vae-earlier-names"

    private func encoded(_ source: MadeUpSource) throws -> MomentsSource {
        try MomentsSource(source, by: try AutoencoderFolder(Self.path), engine: try Arithmetic.oneDNN.engine())
    }

    @Test("each is what the encoder makes of it, in any order, and labels stay")
    func values() throws {
        let source = MadeUpSource(count: 7, channels: 3, side: 16)
        let moments = try encoded(source)
        #expect(moments.channels == 8 && moments.side == 4 && moments.count == 7 && moments.content == "moments")
        #expect(moments.scaling == (1, 0) && moments.labels == .classes)
        let folder = try AutoencoderFolder(Self.path)
        #expect(moments.latents == LatentScaling(scale: 0.18215, shift: 0, autoencoder: try folder.digest()))
        let encoder = try folder.encoder(try Arithmetic.oneDNN.engine(threads: 1))
        for index in [0, 1, 2, 5, 3, 6, 6] {
            let sample = try moments.sample(at: index)
            #expect(sample.label == .class(source.classLabel(index)))
            try withMemory { memory in
                let expected = memory.zeros(8 * 16)
                encoder.encode(memory.floats(source.expected(index)), count: 1, height: 16, width: 16, into: expected)
                guard case .floats(let found) = sample.values else { throw DatasetError(.malformed, "", "not floats") }
                expectSameBits(found, expected.array, "sample \(index)")
            }
        }
    }

    @Test("an image that cannot be read is an error of its own sample only")
    func unreadable() throws {
        var source = MadeUpSource(count: 5, channels: 3, side: 16)
        source.change = { index, _ in if index == 2 { throw StorageError(.malformed, "2.png", "is damaged") } }
        let moments = try encoded(source)
        for index in 0..<5 {
            if index == 2 {
                #expect(throws: StorageError.self) { try moments.sample(at: index) }
            } else {
                _ = try moments.sample(at: index)
            }
        }
    }

    @Test("what cannot be encoded is refused, with the remedy")
    func refused() throws {
        func expect(_ words: String, _ source: MadeUpSource) throws {
            let failure = try #require(throws: Failure.self) { try encoded(source) }
            #expect(failure.status == .usage && failure.description.contains(words), "\(failure)")
        }
        try expect("--channels 3", MadeUpSource(channels: 1, side: 16))
        try expect("a multiple of 4", MadeUpSource(channels: 3, side: 18))
    }
}
