import Compute

/// Streams of samples, each sample once an epoch in one of them, in an order that reads a chunk about once.
///
/// An epoch's chunks, in an order of its own, make one sequence of all samples; it is cut into streams that differ by a
/// sample at most, and through any number of epochs never by more. Within a stream, samples change places inside of
/// windows, blocks of so many. So what a stream gives is a pure function of (seed, stream, position), found without
/// going through what comes before; a window's samples lie in few chunks; and a stream reads no other's chunks, but for
/// those that a border cuts.
public struct SampleOrder: Sendable {
    public let layout: ChunkLayout
    /// V, the number of streams.
    public let streams: Int
    /// The most samples of a window; the last one of a stream's epoch may be shorter.
    public let window: Int
    private let seed: UInt64

    public init(_ layout: ChunkLayout, streams: Int, window: Int, seed: UInt64) {
        precondition(streams > 0 && window > 0, "\(streams) streams with windows of \(window)")
        (self.layout, self.streams, self.window, self.seed) = (layout, streams, window, seed)
    }

    /// The sample at a position of a stream, counted through all epochs.
    public func sample(ofStream stream: Int, at position: Int) -> Int {
        let window = self.window(ofStream: stream, at: position)
        var place = window.place(of: position)
        for run in window.runs {
            if place < run.count { return run.lowerBound + place }
            place -= run.count
        }
        preconditionFailure("the runs of a window are shorter than it")
    }

    /// The window that holds a position of a stream.
    func window(ofStream stream: Int, at position: Int) -> SampleWindow {
        precondition(stream >= 0 && stream < streams && position >= 0, "position \(position) of stream \(stream)")
        // The last epoch that begins at or before the position: `taken` is at most the position.
        let epoch = ((position + 1) * streams - stream - 1) / layout.sampleCount
        let (start, end) = (taken(stream, before: epoch), taken(stream, before: epoch + 1))
        let number = (position - start) / window
        let first = start + number * window
        let count = min(window, end - first)
        // Where the stream begins in the epoch's sequence: behind what the streams before it take.
        let before = takenByFirst(stream, before: epoch + 1) - takenByFirst(stream, before: epoch)
        let places = before + first - start..<before + first - start + count
        let random = RandomStream(
            seed: seed, purpose: RandomPurpose.windowOrder.rawValue,
            step: Int(UInt32(truncatingIfNeeded: epoch)), sample: stream << 40 | number)
        return SampleWindow(
            positions: first..<first + count,
            runs: EpochOrder(layout, seed: seed, epoch: epoch).runs(places),
            permutation: IndexPermutation(
                count: count, seed: UInt64(random.bits(0)) << 32 | UInt64(random.bits(1)),
                purpose: RandomPurpose.windowOrder.rawValue, epoch: 0))
    }

    /// Samples that a stream takes in the epochs before one: those of all streams add up to whole epochs (Hermite's
    /// identity: the sum of floor((x + v) / V) over v = 0 ..< V is x).
    private func taken(_ stream: Int, before epoch: Int) -> Int {
        (epoch * layout.sampleCount + stream) / streams
    }

    /// Samples that the first few streams take together in the epochs before one.
    private func takenByFirst(_ count: Int, before epoch: Int) -> Int {
        let (each, rest) = (epoch * layout.sampleCount).quotientAndRemainder(dividingBy: streams)
        return each * count + max(0, count + rest - streams)
    }

    /// The longest window that any stream has.
    var longestWindow: Int { min(window, (layout.sampleCount + streams - 1) / streams) }
}

/// Consecutive positions of a stream, whose samples change places among each other.
struct SampleWindow: Sendable {
    /// Of the stream.
    let positions: Range<Int>
    /// The samples, those of one chunk after the other's.
    let runs: [Range<Int>]
    fileprivate let permutation: IndexPermutation

    /// Where the sample of a position stands among those of `runs`.
    func place(of position: Int) -> Int { permutation[position - positions.lowerBound] }
}
