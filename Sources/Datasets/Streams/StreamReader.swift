/// Reads some streams of a data set, each from a position on: two windows of each, one that samples are taken from, and
/// the next one, which is read meanwhile.
///
/// One thread at a time may use it.
public final class StreamReader {
    private let dataset: ShardedDataset
    private let order: SampleOrder
    private let streams: Range<Int>
    /// The position behind the last one that will be asked for.
    private let end: Int
    /// The next position of every stream.
    private var position: Int
    /// For each stream, the window that holds its next position, then the one after it.
    private var windows: [(present: ChunkWindow, next: ChunkWindow)]

    /// - Parameters:
    ///   - order: over the data set's layout.
    ///   - streams: those that are read, at equal pace.
    ///   - positions: from where and how far.
    public init(_ dataset: ShardedDataset, _ order: SampleOrder, streams: Range<Int>, positions: Range<Int>) {
        precondition(order.layout == dataset.layout, "an order over another data set")
        (self.dataset, self.order, self.streams) = (dataset, order, streams)
        (position, end) = (positions.lowerBound, positions.upperBound)
        let samples = order.longestWindow
        windows = streams.map { _ in
            (ChunkWindow(dataset, samples: samples), ChunkWindow(dataset, samples: samples))
        }
        guard !positions.isEmpty else { return }
        for (index, stream) in streams.enumerated() { begin(index, order.window(ofStream: stream, at: position)) }
    }

    /// Bytes of a reader, without taking them.
    public static func bytes(_ shape: DatasetShape, _ order: SampleOrder, streams: Int) -> Int {
        2 * streams * ChunkWindow.bytes(shape, samples: order.longestWindow)
    }

    private func begin(_ index: Int, _ window: SampleWindow) {
        windows[index].present.begin(window)
        beginNext(index)
    }

    private func beginNext(_ index: Int) {
        let after = windows[index].present.positions.upperBound
        if after < end { windows[index].next.begin(order.window(ofStream: streams.lowerBound + index, at: after)) }
    }

    /// Reads some chunks that will be needed soon.
    ///
    /// - Returns: false if there is nothing left to read before more samples are taken.
    /// - Throws: `StorageError` or ``DatasetError``, naming the file, if they cannot be read or were changed.
    public func readAhead() throws -> Bool {
        let wanted = windows.lazy.map(\.present).first { !$0.isFull } ?? windows.lazy.map(\.next).first { !$0.isFull }
        try wanted?.fill()
        return wanted != nil
    }

    /// Takes the next samples of every stream.
    ///
    /// - Parameters:
    ///   - count: of each stream; those of a stream come one after the other.
    ///   - images: takes [streams, count, C, H, W], stored values times `scale` plus `shift`.
    ///   - classes: takes [streams, count] where labels are classes; nil if they are not wanted.
    ///   - vectors: takes [streams, count, K] where labels are vectors; nil if they are not wanted.
    /// - Throws: as ``ShardedDataset``, when it reads.
    public func take(
        _ count: Int, images: UnsafeMutablePointer<Float>, classes: UnsafeMutablePointer<Int32>?,
        vectors: UnsafeMutablePointer<Float>?
    ) throws {
        precondition(position + count <= end, "samples beyond those that were to be read")
        var length = 0
        if case .continuous(let values) = dataset.labels { length = values }
        for index in windows.indices {
            var offset = 0
            while offset < count {
                if position + offset == windows[index].present.positions.upperBound {
                    windows[index] = (windows[index].next, windows[index].present)
                    beginNext(index)
                }
                let window = windows[index].present
                // What the window holds of them; what it has not yet read comes before all that is read ahead.
                let end = min(count, window.positions.upperBound - position)
                try window.require(position + offset..<position + end)
                while offset < end {
                    let place = index * count + offset
                    let sample = try window.take(
                        position + offset, image: images + place * dataset.imageValues,
                        vector: vectors.map { $0 + place * length })
                    classes?[place] = dataset.classLabels[sample]
                    offset += 1
                }
            }
        }
        position += count
    }
}
