/// What of a data set decides how much memory it takes to read it.
public struct DatasetShape: Equatable, Sendable {
    public let labels: DatasetLabels
    /// Values of one image.
    public let imageValues: Int
    /// Bytes of an image as it is stored.
    public let storedImageBytes: Int
    /// Bytes that stay in memory once every sample has been read.
    public let heldBytes: Int
    /// Whether images are kept in memory from their first read on.
    public let isHeld: Bool
    /// Shards and chunks.
    public let layout: ChunkLayout

    /// Bytes of a sample's label.
    public var labelBytes: Int {
        switch labels {
        case .classes: MemoryLayout<Int32>.stride
        case .continuous(let length): length * MemoryLayout<Float>.stride
        case .none: 0
        }
    }

    /// Length of a sample's label vector; 0 where labels are none.
    var vectorLength: Int {
        if case .continuous(let length) = labels { length } else { 0 }
    }
}

extension DatasetShape {
    /// A data set that is not there yet: so many samples of float32, packed into one shard by this program, and too large
    /// to be kept in memory.
    public init(supposing count: Int, imageValues: Int, labels: DatasetLabels) {
        self.labels = labels
        self.imageValues = imageValues
        storedImageBytes = imageValues * MemoryLayout<Float>.stride
        isHeld = false
        // Class labels and samples' digests stay.
        heldBytes = count * (MemoryLayout<UInt32>.stride + (labels == .classes ? MemoryLayout<Int32>.stride : 0))
        layout = ChunkLayout([
            ChunkLayout.Shard(samples: count, chunkSamples: max(DatasetWriter.chunkBytes / storedImageBytes, 1))
        ])
    }
}

extension ShardedDataset {
    public var shape: DatasetShape {
        DatasetShape(
            labels: labels, imageValues: imageValues, storedImageBytes: storedImageBytes, heldBytes: heldBytes,
            isHeld: isHeld, layout: layout)
    }
}
