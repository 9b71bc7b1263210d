import Compute

/// The chunks of a data set in the order of one epoch, one after the other: which sample stands where.
///
/// Nothing is stored for each chunk. Those of the usual size need no table; of the others, as a rule one for each
/// shard, it is known where they come.
struct EpochOrder: Sendable {
    /// A chunk of another than the usual size.
    private struct Unusual {
        /// How many chunks come before it.
        let rank: Int
        let samples: Int
        /// How many samples come before it.
        var start = 0
    }

    private let layout: ChunkLayout
    private let chunks: IndexPermutation
    /// In the order of the epoch.
    private let unusual: [Unusual]

    init(_ layout: ChunkLayout, seed: UInt64, epoch: Int) {
        self.layout = layout
        let chunks = IndexPermutation(
            count: layout.chunkCount, seed: seed, purpose: RandomPurpose.chunkOrder.rawValue, epoch: epoch)
        self.chunks = chunks
        var found = layout.unusual.map {
            Unusual(rank: chunks.position(of: $0), samples: layout.samples(ofChunk: $0).count)
        }
        found.sort { $0.rank < $1.rank }
        var excess = 0
        for index in found.indices {
            found[index].start = found[index].rank * layout.usualSamples + excess
            excess += found[index].samples - layout.usualSamples
        }
        unusual = found
    }

    /// Consecutive places of this order as samples, chunk by chunk: those of one chunk lie one after the other.
    func runs(_ places: Range<Int>) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        var place = places.lowerBound
        while place < places.upperBound {
            let (rank, start) = chunk(at: place)
            let samples = layout.samples(ofChunk: chunks[rank])
            let end = min(places.upperBound, start + samples.count)
            runs.append(samples.lowerBound + place - start..<samples.lowerBound + end - start)
            place = end
        }
        return runs
    }

    /// The chunk that holds a place: how many chunks, and how many samples, come before it.
    private func chunk(at place: Int) -> (rank: Int, start: Int) {
        precondition(place >= 0 && place < layout.sampleCount, "place \(place) of \(layout.sampleCount)")
        // How many of the unusual ones begin at this place or before.
        var (low, high) = (0, unusual.count)
        while low < high {
            let middle = (low + high) / 2
            if unusual[middle].start <= place { low = middle + 1 } else { high = middle }
        }
        var (rank, start) = (0, 0)
        if low > 0 {
            let last = unusual[low - 1]
            guard place >= last.start + last.samples else { return (last.rank, last.start) }
            (rank, start) = (last.rank + 1, last.start + last.samples)
        }
        let further = (place - start) / layout.usualSamples
        return (rank + further, start + further * layout.usualSamples)
    }
}
