import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

@Suite struct DataRoundTripTests {
    /// Odd sizes: shards of unequal length, images larger than a chunk, a single sample.
    static let sources: [(source: MadeUpSource, shards: Int)] = [
        (MadeUpSource(), 1),
        (MadeUpSource(), 3),
        (MadeUpSource(count: 1, channels: 1, side: 1), 1),
        (MadeUpSource(count: 5, channels: 3, side: 7, type: .float32), 5),
        (MadeUpSource(count: 301, channels: 1, side: 29), 4),
        (MadeUpSource(count: 7, channels: 3, side: 160), 2),
        (MadeUpSource(count: 7, channels: 4, side: 67, type: .float32, labels: .continuous(3)), 2),
        (MadeUpSource(count: 13, labels: .continuous(1)), 3),
        (MadeUpSource(count: 9, type: .float32, labels: .none), 2),
    ]

    /// Held in memory, and read from the files each time.
    @Test(arguments: sources.indices, [0, 64 << 20])
    func readsWhatWasWritten(_ index: Int, mostHeld: Int) throws {
        let (source, shards) = Self.sources[index]
        let folder = try TestFolder()
        let files = try DatasetWriter.write(
            source, to: folder("set"), shards: shards, citation: "somewhere", licence: "CC0", deflate: index % 2 * 3 + 1
        )
        #expect(files.count == shards + 1)
        let digests = files.map(HDF5Digest.path)
        let names = (files + digests).map(Files.lastPart).sorted()
        #expect(try Files.names(in: folder.path) == names, "nothing else is left")

        let dataset = try ShardedDataset(path: folder("set"), mostHeldBytes: mostHeld)
        #expect(dataset.count == source.count)
        #expect(dataset.channels == source.channels && dataset.side == source.side)
        #expect(dataset.labels == source.labels)
        #expect(dataset.scale == 1.0 / 128 && dataset.shift == -1)
        #expect(dataset.content == "pixels" && dataset.source == "somewhere")
        #expect(dataset.shardCounts.reduce(0, +) == source.count)
        #expect(dataset.heldBytes >= (mostHeld > 0 ? source.count * source.imageValues : 0))

        // Forwards, backwards, mixed, and some twice: a sample's values are its own.
        let all = Array(0..<source.count)
        let mixed = (0..<2 * source.count).map { $0 * 17 % source.count }
        for order in [all, all.reversed(), mixed] {
            let contents = try read(dataset, order)
            #expect(contents.images == order.flatMap(source.expected))
            #expect(contents.classes == (source.labels == .classes ? order.map(source.classLabel) : nil))
            if case .continuous = source.labels { #expect(contents.vectors == order.flatMap(source.vector)) }
        }
        #expect(try dataset.allImages() == read(dataset, all))
        #expect(DatasetVerifier.verify(path: folder("set")).problems.map(\.description) == [])
    }

    @Test func shardsAreAsEvenAsTheyCanBe() throws {
        let folder = try TestFolder()
        try DatasetWriter.write(MadeUpSource(), to: folder("set"), shards: 3)
        let dataset = try ShardedDataset(path: folder("set"))
        #expect(dataset.shardCounts == [3, 4, 4])
        #expect(dataset.place(of: 2) == (folder("set-00000-of-00003.h5"), 2))
        #expect(dataset.place(of: 3) == (folder("set-00001-of-00003.h5"), 0))
        #expect(dataset.place(of: 10) == (folder("set-00002-of-00003.h5"), 3))
    }

    @Test func anyNameOfItOpensIt() throws {
        let folder = try TestFolder()
        try DatasetWriter.write(MadeUpSource(), to: folder("a.b-c"), shards: 2)
        for name in ["a.b-c", "a.b-c.h5", "a.b-c-00001-of-00002.h5", "a.b-c-00000-of-00002", "a.b-c/"] {
            #expect(try ShardedDataset(path: folder(name)).name.base == folder("a.b-c"))
        }
        // Also where the folder goes by no name.
        #expect(DatasetName("digits.h5").shard(1, of: 2) == "digits-00001-of-00002.h5")
        #expect(DatasetName("digits").folder == ".")
    }

    @Test func halfPrecisionIsRead() throws {
        let folder = try TestFolder()
        let path = folder("set-00000-of-00001.h5")
        let file = try HDF5File.create(path)
        try DatasetAttributes(content: "latents", scale: 2, shift: 1).write(to: file)
        try file.createDataset("/images", .float16, shape: [2, 1, 2, 2]).write((0..<8).map { Float($0) / 4 })
        try file.close()
        let contents = try ShardedDataset(path: folder("set")).allImages()
        #expect(contents == DatasetContents(images: (0..<8).map { Float($0) / 2 + 1 }))
    }

    @Test func moreShardsThanFilesStayOpen() throws {
        let folder = try TestFolder()
        let source = MadeUpSource(count: 150)
        try DatasetWriter.write(source, to: folder("set"), shards: 140)
        let dataset = try ShardedDataset(path: folder("set"), mostHeldBytes: 0)
        for _ in 0..<2 { #expect(try dataset.allImages().images == (0..<150).flatMap(source.expected)) }
    }

    @Test func aSeedIsAnOrder() throws {
        let source = MadeUpSource(count: 100)
        let shuffled = ShuffledSource(source, seed: 1)
        let labels = try (0..<100).map { try shuffled.sample(at: $0) }
        let straight = try (0..<100).map { try source.sample(at: $0) }
        #expect(labels != straight)
        // Images and labels stay together, and none is lost.
        for sample in straight {
            #expect(labels.filter { $0 == sample }.count == straight.filter { $0 == sample }.count)
        }
        #expect(try (0..<100).map { try ShuffledSource(source, seed: 1).sample(at: $0) } == labels)
        #expect(try (0..<100).map { try ShuffledSource(source, seed: 2).sample(at: $0) } != labels)
    }

    @Test func summaryCounts() throws {
        let folder = try TestFolder()
        let names = (0..<9).map { "c\($0)" }
        try DatasetWriter.write(MadeUpSource(count: 14, labelNames: names), to: folder("set"), shards: 2)
        let summary = try DatasetSummary(ShardedDataset(path: folder("set")))
        #expect(summary.classes.map(\.samples) == [2, 2, 2, 2, 2, 2, 2, 0, 0])
        #expect(summary.classes.map(\.name) == names)
        #expect(summary.imageShape == [2, 3, 3] && summary.labels == "classes" && summary.samples == 14)
        #expect(summary.shards.map(\.samples) == [7, 7])
        #expect(summary.wholeFile == folder("set.h5"))
        #expect(summary.hasDigests)
        #expect(try summary.fingerprint == ShardedDataset(path: folder("set")).fingerprint())
        #expect(try JSONDecoder().decode(DatasetSummary.self, from: JSONEncoder().encode(summary)) == summary)
    }
}
