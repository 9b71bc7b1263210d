import Storage

/// A data set over its shards, read through one index 0 ..< `count` as if it were one array.
///
/// Opening it checks every shard's presence, layout and attributes and reads all class labels; images are read when
/// they are asked for. One thread at a time may use it.
public final class ShardedDataset: @unchecked Sendable {
    /// Images (and label vectors) of at most this many bytes are kept in memory from their first read on.
    public static let mostHeldBytes = 64 << 20

    public let name: DatasetName
    /// The shards' files, in order.
    public let shardPaths: [String]
    /// The number of samples in each shard.
    public let shardCounts: [Int]
    /// What the attributes say.
    public let attributes: DatasetAttributes
    /// N, the number of samples.
    public let count: Int
    /// C, the channels of an image as they are stored.
    public let channels: Int
    /// H and W, in pixels (or latents).
    public let side: Int
    public let labels: DatasetLabels
    /// The type of images in the files.
    public let type: HDF5Type
    /// Every sample's class, in order; empty unless `labels` is `.classes`.
    public let classLabels: [Int32]
    /// Shards and chunks.
    public let layout: ChunkLayout

    /// Images in the type in which they are kept.
    enum Images {
        case bytes(RowReader<UInt8>)
        case floats(RowReader<Float>)
    }
    let images: Images
    let vectors: RowReader<Float>?
    /// Nil where this is no copy.
    let copiedFrom: CopiedFrom?
    let files: ShardFiles
    let digests: SampleDigests
    /// Whether every shard holds a digest for each sample, against which samples are held when they are read.
    public let hasDigests: Bool
    private let digestCount: Int
    /// Once it has been asked for.
    var knownFingerprint: DatasetFingerprint?
    /// The samples asked for, rising; kept for its memory.
    private var order: [(row: Int, position: Int)] = []

    /// Opens a data set.
    ///
    /// - Parameter path: its base path: `data/digits` means `data/digits-00000-of-00002.h5` and so on. `data/digits.h5`
    ///   and the name of any shard mean the same.
    /// - Throws: ``DatasetError`` or `StorageError`, naming the file: a shard is missing, truncated, damaged, of another
    ///   layout, or not of one data set with the first.
    public convenience init(path: String) throws {
        try self.init(path: path, mostHeldBytes: Self.mostHeldBytes)
    }

    /// - Parameters:
    ///   - mostHeldBytes: for tests of both ways of reading.
    ///   - original: the base path of the data set that this is a copy of; nil where it is none.
    init(path: String, mostHeldBytes: Int, copiedFrom original: String? = nil) throws {
        name = DatasetName(path)
        copiedFrom = original.map { CopiedFrom(original: $0, copy: path) }
        shardPaths = try ShardSurvey(name).paths()
        let first = try Shard(shardPaths[0])
        files = ShardFiles(paths: shardPaths, first: first)
        attributes = first.attributes
        channels = first.channels
        side = first.side
        labels = first.labels
        type = first.images.type
        var starts = [0]
        var classLabels: [Int32] = []
        var isDigested: [Bool] = []
        var layouts: [ChunkLayout.Shard] = []
        for index in shardPaths.indices {
            let shard = try files.shard(index)
            starts.append(starts[index] + shard.count)
            classLabels += try shard.classLabels()
            isDigested.append(shard.digests != nil)
            layouts.append(shard.chunkLayout)
        }
        self.classLabels = classLabels
        count = starts[shardPaths.count]
        shardCounts = zip(starts, starts.dropFirst()).map { $1 - $0 }
        guard count > 0 else { throw DatasetError(.malformed, name.base, "the data set holds no samples") }
        layout = ChunkLayout(layouts)
        let digests = SampleDigests(files: files, isPresent: isDigested)
        self.digests = digests
        hasDigests = !isDigested.contains(false)
        digestCount = zip(isDigested, shardCounts).reduce(0) { $0 + ($1.0 ? $1.1 : 0) }
        let shape = [first.channels, first.side, first.side]
        let files = files
        func reader<Element: HDF5Scalar>(_: Element.Type) -> RowReader<Element> {
            let rowCount = shape.reduce(1, *)
            return RowReader(files: files, rowShape: shape, starts: starts, holdingUpTo: mostHeldBytes) {
                $0.images
            } check: { values, shard, row in
                try digests.check(values, rowCount: rowCount, shard: shard, first: row)
            }
        }
        images = first.images.type == .uint8 ? .bytes(reader(UInt8.self)) : .floats(reader(Float.self))
        if case .continuous(let length) = first.labels {
            vectors = RowReader(files: files, rowShape: [length], starts: starts, holdingUpTo: mostHeldBytes) {
                $0.labelValues
            }
        } else {
            vectors = nil
        }
    }
}

extension ShardedDataset {
    /// `pixels`; `latents` of an autoencoder; or `moments`, their means and then the logarithms of their variances.
    public var content: String { attributes.content }
    /// A stored value times `scale` plus `shift` is what is read.
    public var scale: Double { attributes.scale }
    public var shift: Double { attributes.shift }
    /// What the classes are called, by number.
    public var labelNames: [String]? { attributes.labelNames }
    /// Where the data come from, as one cites it; empty if the files do not tell.
    public var source: String { attributes.source ?? "" }
    /// Values of one image.
    public var imageValues: Int { channels * side * side }
    /// Whether images are kept in memory from their first read on.
    public var isHeld: Bool {
        switch images {
        case .bytes(let reader): reader.isHeld
        case .floats(let reader): reader.isHeld
        }
    }
    /// Chunks of images read from files so far; those of a data set that is kept in memory do not count.
    public var chunksRead: Int {
        switch images {
        case .bytes(let reader): reader.chunksRead
        case .floats(let reader): reader.chunksRead
        }
    }
    /// Bytes that stay in memory once every sample has been read.
    public var heldBytes: Int {
        let imageBytes =
            switch images {
            case .bytes(let reader): reader.heldBytes
            case .floats(let reader): reader.heldBytes
            }
        let labelBytes = classLabels.count * MemoryLayout<Int32>.stride
        return imageBytes + (vectors?.heldBytes ?? 0) + labelBytes + digestCount * MemoryLayout<UInt32>.stride
    }

    /// The smallest and the largest class; nil unless `labels` is `.classes`.
    public func labelRange() -> (min: Int32, max: Int32)? {
        guard let least = classLabels.min(), let most = classLabels.max() else { return nil }
        return (least, most)
    }

    /// The file of a sample, and its row there.
    public func place(of index: Int) -> (file: String, row: Int) {
        precondition(index >= 0 && index < count, "sample \(index) of \(count)")
        var row = index
        var shard = 0
        while row >= shardCounts[shard] {
            row -= shardCounts[shard]
            shard += 1
        }
        return (shardPaths[shard], row)
    }
}

extension ShardedDataset {
    /// Reads samples, and holds those that come from files with digests against them.
    ///
    /// - Parameters:
    ///   - indices: B samples in 0 ..< `count`, in any order, also several times the same.
    ///   - images: takes [B, C, H, W], stored values times `scale` plus `shift`.
    ///   - classes: takes [B] where `labels` is `.classes`; nil if they are not wanted.
    ///   - vectors: takes [B, K] where `labels` is `.continuous(K)`; nil if they are not wanted.
    /// - Throws: `StorageError` if stored bytes are damaged, ``DatasetError`` if a sample has changed
    ///   since it was packed or a value is not finite, naming the file.
    public func read(
        _ indices: UnsafeBufferPointer<Int>, images: UnsafeMutablePointer<Float>,
        classes: UnsafeMutablePointer<Int32>?, vectors: UnsafeMutablePointer<Float>?
    ) throws {
        order.removeAll(keepingCapacity: true)
        for (position, index) in indices.enumerated() {
            precondition(index >= 0 && index < count, "sample \(index) of \(count)")
            order.append((index, position))
        }
        order.sort { $0.row < $1.row }
        if let classes {
            precondition(labels == .classes, "\(name.base) has no class labels")
            for (position, index) in indices.enumerated() { classes[position] = classLabels[index] }
        }
        switch self.images {
        case .bytes(let reader): try readImages(reader, into: images) { Float($0) }
        case .floats(let reader): try readImages(reader, into: images) { $0 }
        }
        if let vectors { try readVectors(order, into: vectors) }
    }

    /// Reads samples.
    public func read(
        _ indices: [Int], images: UnsafeMutablePointer<Float>, classes: UnsafeMutablePointer<Int32>?,
        vectors: UnsafeMutablePointer<Float>?
    ) throws {
        try indices.withUnsafeBufferPointer { try read($0, images: images, classes: classes, vectors: vectors) }
    }

    private func readImages<Element>(
        _ reader: RowReader<Element>, into images: UnsafeMutablePointer<Float>, _ float: (Element) -> Float
    ) throws {
        try naming {
            try reader.forEachRow(order) { values, position, shard, row in
                guard convert(values, into: images + position * values.count, float) else {
                    throw notFinite("/images", shardPaths[shard], row)
                }
            }
        }
    }

    /// Stored values as they are read; false where one is not finite.
    func convert<Element>(
        _ values: UnsafeBufferPointer<Element>, into target: UnsafeMutablePointer<Float>, _ float: (Element) -> Float
    ) -> Bool {
        let scale = Float(scale)
        let shift = Float(shift)
        // As integers, infinity and every NaN lie above all numbers: a comparison for many values at once.
        var largest: UInt32 = 0
        for index in values.indices {
            let value = float(values[index]) * scale + shift
            target[index] = value
            largest = max(largest, value.magnitude.bitPattern)
        }
        return largest < Float.infinity.bitPattern
    }

    func notFinite(_ object: String, _ file: String, _ row: Int) -> DatasetError {
        DatasetError(
            .malformed, file,
            "\(object): sample \(row) has a value that is not a finite number; `fpdm data verify` lists all of them")
    }
}
