/// All samples of a data set in memory.
public struct DatasetContents: Equatable, Sendable {
    /// [N, C, H, W], scaled.
    public var images: [Float]
    /// [N] where labels are classes.
    public var classes: [Int32]?
    /// [N, K] where labels are vectors of K.
    public var vectors: [Float]?

    public init(images: [Float], classes: [Int32]? = nil, vectors: [Float]? = nil) {
        (self.images, self.classes, self.vectors) = (images, classes, vectors)
    }
}

extension ShardedDataset {
    /// Reads everything, in order: for evaluation on data sets that fit into memory.
    public func allImages() throws -> DatasetContents {
        var vectorLength = 0
        if case .continuous(let length) = labels { vectorLength = length }
        var images = [Float](repeating: 0, count: count * imageValues)
        var vectors = [Float](repeating: 0, count: count * vectorLength)
        try images.withUnsafeMutableBufferPointer { images in
            try vectors.withUnsafeMutableBufferPointer { vectors in
                guard let base = images.baseAddress else { return }
                try read(
                    Array(0..<count), images: base, classes: nil,
                    vectors: vectorLength > 0 ? vectors.baseAddress : nil)
            }
        }
        return DatasetContents(
            images: images, classes: labels == .classes ? classLabels : nil,
            vectors: vectorLength > 0 ? vectors : nil)
    }
}
