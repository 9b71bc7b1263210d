import Storage

/// Some samples of a data set as one picture.
public struct DatasetPreview {
    private let dataset: ShardedDataset
    private let indices: [Int]
    private let columns: Int

    /// - Parameter count: how many samples are shown, spread evenly over the data set; all of one that has fewer.
    public init(_ dataset: ShardedDataset, count: Int = 64) {
        precondition(count > 0, "a picture of \(count) samples")
        self.dataset = dataset
        let shown = min(count, dataset.count)
        indices = (0..<shown).map { $0 * dataset.count / shown }
        columns = Int(Double(shown).squareRoot().rounded(.up))
    }

    /// Reads the samples and lays them out. Small ones are enlarged, so that pixels can be seen. Of more than three
    /// channels, the first three are shown; of latents and moments, values from -3 to 3 span black to white: a hint only.
    ///
    /// - Throws: ``DatasetError`` or `StorageError` if they cannot be read.
    public func image() throws -> ByteImage {
        let images = try indices.map(values)
        let rows = stride(from: 0, to: images.count, by: columns).map {
            Array(images[$0..<min($0 + columns, images.count)])
        }
        return ImageGrid(zoom: max(1, 32 / dataset.side)).render(
            rows: rows, channels: dataset.channels < 3 ? 1 : 3, height: dataset.side, width: dataset.side)
    }

    /// [1 or 3, H, W] in [-1, 1].
    private func values(_ index: Int) throws -> [Float] {
        var image = [Float](repeating: 0, count: dataset.imageValues)
        try image.withUnsafeMutableBufferPointer { image in
            guard let base = image.baseAddress else { return }
            try dataset.read([index], images: base, classes: nil, vectors: nil)
        }
        let shown = (dataset.channels < 3 ? 1 : 3) * dataset.side * dataset.side
        return dataset.content == "pixels" ? Array(image.prefix(shown)) : image.prefix(shown).map { $0 / 3 }
    }
}
