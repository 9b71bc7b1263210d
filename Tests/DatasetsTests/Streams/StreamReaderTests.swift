import Storage
import TestSupport
import Testing

@testable import Datasets

/// What streams read of a data set's files.
@Suite("Reading streams") struct StreamReaderTests {
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    /// Ways in which images lie in files, each with how many samples a chunk of the order has.
    static let layouts: [(layout: DatasetLayout, chunk: Int)] = [
        (.chunked([4, 2, 3, 3]), 4), (.chunked([4, 2, 3, 3], fletcher32: false), 4),
        (.chunked([5, 2, 3, 3], deflate: 3, shuffle: true), 5), (.chunked([3, 1, 2, 3]), 3),
        (.chunked([1, 2, 3, 3]), 1),
        (.contiguous, 900),
    ]
    static let sources = [
        MadeUpSource(count: 59), MadeUpSource(count: 59, type: .float32, labels: .continuous(2)),
        MadeUpSource(count: 59, labels: .none),
    ]

    /// Takes samples of some streams, a few of each at a time.
    private func take(
        _ set: ShardedDataset, _ order: SampleOrder, streams: Range<Int>, positions: Range<Int>, each: Int,
        readingAhead: Int = 0
    ) throws -> DatasetContents {
        let reader = StreamReader(set, order, streams: streams, positions: positions)
        var length = 0
        if case .continuous(let count) = set.labels { length = count }
        var images: [Float] = []
        var classes: [Int32] = []
        var vectors: [Float] = []
        let count = streams.count * each
        for _ in stride(from: 0, to: positions.count, by: each) {
            for _ in 0..<readingAhead { _ = try reader.readAhead() }
            var (image, label) = (
                [Float](repeating: -99, count: count * set.imageValues), [Int32](repeating: -99, count: count)
            )
            var vector = [Float](repeating: -99, count: count * length)
            try image.withUnsafeMutableBufferPointer { image in
                try label.withUnsafeMutableBufferPointer { label in
                    try vector.withUnsafeMutableBufferPointer { vector in
                        try reader.take(
                            each, images: #require(image.baseAddress),
                            classes: set.labels == .classes ? label.baseAddress : nil,
                            vectors: length > 0 ? vector.baseAddress : nil)
                    }
                }
            }
            (images, classes, vectors) = (images + image, classes + label, vectors + vector)
        }
        return DatasetContents(
            images: images, classes: set.labels == .classes ? classes : nil, vectors: length > 0 ? vectors : nil)
    }

    /// However images lie, read ahead or only when they are wanted, kept in memory or not; a few of them, and more than a
    /// window has; from the start and from the middle of a window.
    @Test(arguments: layouts.indices, sources) func samplesAreThoseOfTheOrder(_ index: Int, _ source: MadeUpSource)
        throws
    {
        let (layout, chunk) = Self.layouts[index]
        try writeShards(source, to: folder("set"), shards: 3, layout)
        for (held, each, ahead) in [(0, 2, 0), (0, 9, 1), (1 << 20, 3, 5), (0, 3, 100)] {
            let set = try ShardedDataset(path: folder("set"), mostHeldBytes: held)
            // Each file has 19 or 20 samples.
            let expected = set.layout.shards.map { min($0.samples, $0.chunkSamples) }
            #expect(expected.allSatisfy { $0 == min(chunk, 20) || $0 == 19 }, "\(expected)")
            let order = SampleOrder(set.layout, streams: 5, window: 7, seed: 3)
            let positions = 4..<4 + 9 * 4
            let taken = try take(set, order, streams: 1..<4, positions: positions, each: each, readingAhead: ahead)
            let indices = stride(from: 4, to: positions.upperBound, by: each).flatMap { start in
                (1..<4).flatMap { stream in (start..<start + each).map { order.sample(ofStream: stream, at: $0) } }
            }
            #expect(try taken == read(set, indices), "\(layout), \(held) held, \(each) at a time")
        }
    }

    /// All streams together read each chunk about once an epoch; one of five reads a fifth of them.
    @Test(arguments: [1, 5]) func aStreamReadsItsShareOnly(_ streams: Int) throws {
        let source = MadeUpSource(count: 600, labels: .none)
        try writeShards(source, to: folder("set"), shards: 4, .chunked([4, 2, 3, 3]))
        var all = 0
        for stream in 0..<streams {
            let set = try ShardedDataset(path: folder("set"), mostHeldBytes: 0)
            let order = SampleOrder(set.layout, streams: streams, window: 40, seed: 1)
            _ = try take(
                set, order, streams: stream..<stream + 1, positions: 0..<600 / streams, each: 10, readingAhead: 100)
            // A window's border may cut a chunk, which is then read for both; and the streams' do.
            #expect(set.chunksRead >= 150 / streams && set.chunksRead <= (150 + 15) / streams + 2, "\(set.chunksRead)")
            all += set.chunksRead
        }
        #expect(all >= 150 && all <= 150 + 15 + 2 * streams)
    }

    @Test func whatIsDamagedIsToldByItsName() throws {
        let source = MadeUpSource(count: 59, type: .float32)
        try writeShards(source, to: folder("set"), shards: 2, .chunked([4, 2, 3, 3]))
        let file = DatasetName(folder("set")).shard(1, of: 2)
        // The first values of the second file's sample 9.
        let values = source.stored(29 + 9)[..<3].flatMap { withUnsafeBytes(of: $0) { Array($0) } }
        try damage(file) { bytes in
            let place = try #require(position(of: values, in: bytes))
            bytes[place] ^= 1
        }
        for held in [0, 1 << 20] {
            let set = try ShardedDataset(path: folder("set"), mostHeldBytes: held)
            let order = SampleOrder(set.layout, streams: 1, window: 7, seed: 1)
            let error = try dataFailure { _ = try take(set, order, streams: 0..<1, positions: 0..<59, each: 1) }
            #expect(error.kind == .malformed && error.file == file)
            #expect(error.message.contains("the stored bytes are damaged"), "\(error.message)")
        }
    }

    /// Edited with the chunk's checksum made anew: found by the sample's digest, or as no number.
    @Test func whatWasEditedIsFound() throws {
        try writeShards(MadeUpSource(count: 20, type: .float32), to: folder("set"), shards: 1, .chunked([4, 2, 3, 3]))
        try writeShards(
            MadeUpSource(count: 20, type: .float32), to: folder("bare"), shards: 1, .chunked([4, 2, 3, 3]),
            digests: false)
        for (name, value, words) in [
            ("set", Float(1), "sample 6 has changed"), ("bare", .nan, "sample 6 has a value that is not"),
        ] {
            let file = DatasetName(folder(name)).shard(0, of: 1)
            try edit(file) { file in
                try [value].withUnsafeBufferPointer {
                    try file.dataset("/images").write($0, start: [6, 1, 2, 0], count: [1, 1, 1, 1])
                }
            }
            let set = try ShardedDataset(path: folder(name), mostHeldBytes: 0)
            let order = SampleOrder(set.layout, streams: 1, window: 8, seed: 1)
            let error = try dataFailure { _ = try take(set, order, streams: 0..<1, positions: 0..<20, each: 4) }
            #expect(error.kind == .malformed && error.file == file && error.message.contains(words), "\(error.message)")
        }
    }

    @Test func memoryIsWhatIsTold() throws {
        let source = MadeUpSource(count: 59, type: .float32, labels: .continuous(2))
        try writeShards(source, to: folder("set"), shards: 3, .chunked([4, 2, 3, 3]))
        let set = try ShardedDataset(path: folder("set"), mostHeldBytes: 0)
        func bytes(_ window: Int) -> Int {
            StreamReader.bytes(set.shape, SampleOrder(set.layout, streams: 5, window: window, seed: 3), streams: 3)
        }
        // Images, two numbers and an index each, two windows of three streams; no stream has more than 12 samples.
        #expect(bytes(7) == 2 * 3 * 7 * (18 * 4 + 2 * 4 + 8))
        #expect(bytes(1000) == 2 * 3 * 12 * (18 * 4 + 2 * 4 + 8))
    }
}
