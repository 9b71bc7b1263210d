import TestSupport
import Testing

@testable import Datasets

/// Which sample comes when in shuffle `window`.
@Suite("Order of samples in streams") struct SampleOrderTests {
    /// Odd numbers throughout: shards and chunks that do not divide, empty shards, unlike chunks, fewer samples than
    /// streams, windows of one and of more than there is.
    struct Case: Sendable, CustomStringConvertible {
        let shards: [ChunkLayout.Shard]
        let streams: Int
        let window: Int

        init(_ shards: [(Int, Int)], _ streams: Int, _ window: Int) {
            self.shards = shards.map { ChunkLayout.Shard(samples: $0.0, chunkSamples: $0.1) }
            (self.streams, self.window) = (streams, window)
        }

        var order: SampleOrder { SampleOrder(ChunkLayout(shards), streams: streams, window: window, seed: 5) }
        var description: String {
            "\(shards.map { "\($0.samples)/\($0.chunkSamples)" }), \(streams) streams, windows of \(window)"
        }
    }

    static let cases = [
        Case([(1, 1)], 1, 1), Case([(1, 7)], 3, 2), Case([(2, 1)], 5, 1), Case([(23, 4)], 1, 100),
        Case([(23, 4)], 4, 1), Case([(8, 3), (8, 3), (7, 3)], 2, 5), Case([(10, 4), (0, 4), (13, 4)], 3, 4),
        Case([(61, 1)], 7, 3), Case([(61, 61)], 7, 3), Case([(30, 4), (17, 9), (40, 6)], 8, 6),
        Case([(12, 4), (12, 4)], 3, 4), Case([(333, 7), (331, 7), (333, 7)], 13, 50), Case([(97, 10)], 96, 3),
    ]

    /// The first samples of a stream.
    private func stream(_ order: SampleOrder, _ stream: Int, _ count: Int) -> [Int] {
        (0..<count).map { order.sample(ofStream: stream, at: $0) }
    }

    /// What a stream gives in each of the first epochs, as its windows tell them.
    private func epochs(_ order: SampleOrder, _ stream: Int, _ count: Int) -> [[Int]] {
        var position = 0
        return (0..<count).map { epoch in
            let end = ((epoch + 1) * order.layout.sampleCount + stream) / order.streams
            defer { position = end }
            return (position..<end).map { order.sample(ofStream: stream, at: $0) }
        }
    }

    @Test(arguments: cases) func eachSampleIsInOneStreamOnceAnEpoch(_ one: Case) {
        let order = one.order
        let count = order.layout.sampleCount
        let streams = (0..<one.streams).map { epochs(order, $0, 5) }
        for epoch in 0..<5 {
            let parts = streams.map { $0[epoch] }
            #expect(parts.joined().sorted() == Array(0..<count), "epoch \(epoch)")
            let lengths = parts.map(\.count)
            #expect((lengths.max() ?? 0) - (lengths.min() ?? 0) <= 1, "epoch \(epoch): \(lengths)")
        }
        // Nor do they drift apart: each takes as many samples a step, for ever.
        for through in 1...5 {
            let taken = streams.map { $0[..<through].reduce(0) { $0 + $1.count } }
            #expect(taken.allSatisfy { $0 == through * count / one.streams || $0 == through * count / one.streams + 1 })
        }
    }

    /// Through the windows, as a reader goes, and position by position from anywhere.
    @Test(arguments: cases) func positionsAndWindowsAgree(_ one: Case) {
        let order = one.order
        for stream in 0..<one.streams {
            var position = 0
            while position < 3 * order.layout.sampleCount / one.streams + 2 {
                let window = order.window(ofStream: stream, at: position)
                #expect(window.positions.lowerBound == position && window.positions.count <= one.window)
                #expect(window.positions.count <= order.longestWindow)
                let samples = window.runs.flatMap { Array($0) }
                #expect(samples.count == window.positions.count)
                for later in window.positions {
                    #expect(order.window(ofStream: stream, at: later).positions == window.positions)
                    #expect(order.sample(ofStream: stream, at: later) == samples[window.place(of: later)])
                }
                position = window.positions.upperBound
            }
        }
    }

    /// A run lies in one chunk, so that a chunk is read once for a window; and windows follow the chunks, so that only
    /// borders are read twice.
    @Test(arguments: cases) func chunksAreReadAboutOnce(_ one: Case) {
        let order = one.order
        let layout = order.layout
        var reads = 0
        var windows = 0
        for stream in 0..<one.streams {
            var position = 0
            while position < (layout.sampleCount + stream) / one.streams {
                let window = order.window(ofStream: stream, at: position)
                for run in window.runs {
                    let chunks = Set(run.map { layout.chunk(ofSample: $0) })
                    #expect(chunks.count == 1)
                }
                (reads, windows) = (reads + window.runs.count, windows + 1)
                position = window.positions.upperBound
            }
        }
        #expect(reads >= layout.chunkCount && reads <= layout.chunkCount + windows, "\(reads) of \(layout.chunkCount)")
    }

    @Test func epochsSeedsAndStreamsHaveOrdersOfTheirOwn() {
        func order(_ seed: UInt64, streams: Int = 4, window: Int = 64) -> SampleOrder {
            SampleOrder(
                ChunkLayout([.init(samples: 1000, chunkSamples: 7)]), streams: streams, window: window, seed: seed)
        }
        let first = stream(order(1), 2, 500)
        #expect(stream(order(1), 2, 500) == first)
        #expect(stream(order(2), 2, 500) != first && stream(order(1, window: 63), 2, 500) != first)
        #expect(Array(first[..<250]) != Array(first[250...]))
        // Each window is mixed, and no two alike.
        let windows = (0..<3).map { number in
            let window = order(1).window(ofStream: 2, at: 64 * number)
            return window.positions.map { window.place(of: $0) }
        }
        #expect(Set(windows).count == 3)
        for places in windows { #expect(places != places.sorted() && places.sorted() == Array(0..<64)) }
        // Chunks come in another order than they lie, and samples of one chunk are torn apart.
        let jumps = zip(first, first.dropFirst()).filter { $1 == $0 + 1 }.count
        #expect(jumps < 20)
    }

    /// Far into a run a position is found as fast as at its start, and nothing overflows.
    @Test func anyPositionIsFoundAtOnce() {
        let order = SampleOrder(
            ChunkLayout((0..<1000).map { .init(samples: 1_281_167 / 1000 + $0 % 3, chunkSamples: 4) }), streams: 4096,
            window: 1024, seed: 1)
        let far = 4_294_967_295 * 1_000_000_000 / 4096 - 1
        for stream in [0, 4095] {
            let window = order.window(ofStream: stream, at: far)
            #expect(window.positions.contains(far))
            #expect(
                order.window(ofStream: stream, at: window.positions.upperBound).positions.lowerBound
                    == window.positions.upperBound)
        }
    }

    /// Computed by another program from the definition; runs go on to these orders for ever.
    @Test func theOrderIsWhatItAlwaysWas() {
        let order = SampleOrder(
            ChunkLayout([.init(samples: 30, chunkSamples: 4), .init(samples: 17, chunkSamples: 4)]), streams: 3,
            window: 8,
            seed: 11)
        #expect(stream(order, 1, 18) == [40, 38, 5, 46, 39, 6, 7, 41, 3, 24, 27, 2, 1, 0, 25, 26, 34, 29])
    }
}

@Suite("Layout of chunks") struct ChunkLayoutTests {
    @Test func chunksAreNumberedThroughAllShards() {
        let layout = ChunkLayout([
            .init(samples: 9, chunkSamples: 4), .init(samples: 0, chunkSamples: 4), .init(samples: 5, chunkSamples: 2),
        ])
        #expect(layout.sampleCount == 14 && layout.chunkCount == 6)
        let chunks = (0..<6).map { layout.samples(ofChunk: $0) }
        #expect(chunks == [0..<4, 4..<8, 8..<9, 9..<11, 11..<13, 13..<14])
        for (chunk, samples) in chunks.enumerated() {
            for sample in samples { #expect(layout.chunk(ofSample: sample) == chunk) }
        }
        #expect(layout.usualSamples == 4 && layout.unusual == [2, 3, 4, 5])
    }

    @Test func whatChangesTheOrderChangesTheDescription() {
        let shards = [ChunkLayout.Shard(samples: 9, chunkSamples: 4), .init(samples: 7, chunkSamples: 4)]
        let others = [
            [shards[1], shards[0]], [ChunkLayout.Shard(samples: 16, chunkSamples: 4)],
            shards.map { ChunkLayout.Shard(samples: $0.samples, chunkSamples: 3) },
        ]
        let first = ChunkLayout(shards).description
        #expect(first.hasPrefix("2 shards, 16 samples in 5 chunks; "))
        #expect(Set(others.map { ChunkLayout($0).description } + [first]).count == 4)
    }
}
