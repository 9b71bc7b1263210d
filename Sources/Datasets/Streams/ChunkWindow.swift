/// The samples of a window of a stream, read chunk by chunk and kept as they are stored until they are asked for.
final class ChunkWindow {
    private let dataset: ShardedDataset
    private let vectorLength: Int
    /// [samples] images as they are stored.
    private let images: UnsafeMutableRawPointer
    /// [samples, K]
    private let vectors: UnsafeMutablePointer<Float>
    /// Which sample each of them is.
    private var indices: [Int]
    private var window: SampleWindow?
    /// Samples read so far, and the runs of the window that they are.
    private var filled = 0
    private var runs = 0

    /// - Parameter samples: the most that a window has.
    init(_ dataset: ShardedDataset, samples: Int) {
        self.dataset = dataset
        vectorLength = Self.vectorLength(dataset)
        images = .allocate(byteCount: samples * dataset.storedImageBytes, alignment: 16)
        vectors = .allocate(capacity: samples * vectorLength)
        indices = [Int](repeating: 0, count: samples)
    }

    deinit {
        images.deallocate()
        vectors.deallocate()
    }

    /// Bytes of a window, without taking them.
    static func bytes(_ dataset: ShardedDataset, samples: Int) -> Int {
        samples
            * (dataset.storedImageBytes + vectorLength(dataset) * MemoryLayout<Float>.stride + MemoryLayout<Int>.stride)
    }

    private static func vectorLength(_ dataset: ShardedDataset) -> Int {
        if case .continuous(let length) = dataset.labels { length } else { 0 }
    }

    /// Begins a window, in place of the one before.
    func begin(_ window: SampleWindow) {
        self.window = window
        (filled, runs) = (0, 0)
    }

    /// The positions of the stream that it holds, or will; empty where none was begun.
    var positions: Range<Int> { window?.positions ?? 0..<0 }

    var isFull: Bool { filled == positions.count }

    /// Reads some more of its chunks.
    ///
    /// - Parameter order: for its memory.
    /// - Throws: `StorageError` or ``DatasetError``, naming the file, if they cannot be read or were changed.
    func fill(_ order: inout [(row: Int, position: Int)]) throws {
        guard let window else { return }
        order.removeAll(keepingCapacity: true)
        var (end, next) = (filled, runs)
        // As many as are read at a time.
        while next < window.runs.count, next - runs < 32, (end - filled) * dataset.storedImageBytes < 1 << 20 {
            for sample in window.runs[next] {
                order.append((sample, end))
                indices[end] = sample
                end += 1
            }
            next += 1
        }
        order.sort { $0.row < $1.row }
        try dataset.readStored(order, into: images)
        if vectorLength > 0 { try dataset.readVectors(order, into: vectors) }
        (filled, runs) = (end, next)
    }

    /// Hands out the sample of a position, which must have been read.
    ///
    /// - Parameters:
    ///   - image: takes [C, H, W].
    ///   - vector: takes [K], where labels are vectors.
    /// - Returns: which sample it is.
    /// - Throws: ``DatasetError`` if a value is not finite.
    func take(
        _ position: Int, image: UnsafeMutablePointer<Float>, vector: UnsafeMutablePointer<Float>?
    ) throws -> Int {
        guard let window else { preconditionFailure("no window was begun") }
        let place = window.place(of: position)
        precondition(place < filled, "position \(position) has not been read")
        let index = indices[place]
        try dataset.convertStored(images + place * dataset.storedImageBytes, of: index, into: image)
        vector?.update(from: vectors + place * vectorLength, count: vectorLength)
        return index
    }
}
