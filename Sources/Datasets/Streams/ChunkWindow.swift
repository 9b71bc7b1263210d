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
    /// The first sample of each of its runs, then the number of all.
    private var starts = [0]
    /// Whether each run has been read, how many have not, and that there is none before this one.
    private var isRead: [Bool] = []
    private var unread = 0
    private var firstUnread = 0
    /// For their memory.
    private var wanted: [Int] = []
    private var order: [(row: Int, position: Int)] = []

    /// - Parameter samples: the most that a window has.
    init(_ dataset: ShardedDataset, samples: Int) {
        self.dataset = dataset
        vectorLength = dataset.shape.vectorLength
        images = .allocate(byteCount: samples * dataset.storedImageBytes, alignment: 16)
        vectors = .allocate(capacity: samples * vectorLength)
        indices = [Int](repeating: 0, count: samples)
    }

    deinit {
        images.deallocate()
        vectors.deallocate()
    }

    /// Bytes of a window, without taking them.
    static func bytes(_ shape: DatasetShape, samples: Int) -> Int {
        samples
            * (shape.storedImageBytes + shape.vectorLength * MemoryLayout<Float>.stride + MemoryLayout<Int>.stride)
    }

    /// Begins a window, in place of the one before.
    func begin(_ window: SampleWindow) {
        self.window = window
        starts.removeAll(keepingCapacity: true)
        starts.append(0)
        isRead.removeAll(keepingCapacity: true)
        for run in window.runs {
            starts.append(starts[starts.count - 1] + run.count)
            isRead.append(false)
        }
        (unread, firstUnread) = (window.runs.count, 0)
    }

    /// The positions of the stream that it holds, or will; empty where none was begun.
    var positions: Range<Int> { window?.positions ?? 0..<0 }

    var isFull: Bool { unread == 0 }

    /// Reads some more of its chunks.
    ///
    /// - Throws: `StorageError` or ``DatasetError``, naming the file, if they cannot be read or were changed.
    func fill() throws {
        wanted.removeAll(keepingCapacity: true)
        while firstUnread < isRead.count, isRead[firstUnread] { firstUnread += 1 }
        var (run, samples) = (firstUnread, 0)
        // As many as are read at a time.
        while run < isRead.count, wanted.count < 32, samples * dataset.storedImageBytes < 1 << 20 {
            if !isRead[run] {
                wanted.append(run)
                samples += starts[run + 1] - starts[run]
            }
            run += 1
        }
        try readWanted()
    }

    /// Reads those chunks that some positions need.
    ///
    /// - Throws: as `fill`.
    func require(_ positions: Range<Int>) throws {
        guard let window, !isFull else { return }
        wanted.removeAll(keepingCapacity: true)
        for position in positions {
            let place = window.place(of: position)
            var (low, high) = (0, starts.count)
            while high - low > 1 {
                let middle = (low + high) / 2
                if starts[middle] <= place { low = middle } else { high = middle }
            }
            if !isRead[low] { wanted.append(low) }
        }
        wanted.sort()
        try readWanted()
    }

    /// Reads the runs of `wanted`, which rise.
    private func readWanted() throws {
        guard let window else { return }
        order.removeAll(keepingCapacity: true)
        var last = -1
        for run in wanted where run != last {
            last = run
            for (offset, sample) in window.runs[run].enumerated() {
                order.append((sample, starts[run] + offset))
                indices[starts[run] + offset] = sample
            }
        }
        order.sort { $0.row < $1.row }
        try dataset.readStored(order, into: images)
        if vectorLength > 0 { try dataset.readVectors(order, into: vectors) }
        for run in wanted where !isRead[run] {
            isRead[run] = true
            unread -= 1
        }
    }

    /// Hands out the sample of a position, which was required.
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
        let index = indices[place]
        try dataset.convertStored(images + place * dataset.storedImageBytes, of: index, into: image)
        vector?.update(from: vectors + place * vectorLength, count: vectorLength)
        return index
    }
}
