import Storage

/// Where images go as they are drawn, a group at a time, so that whoever comes back after a kill finds what is done.
public protocol SampleStore {
    /// Whether all images of a group are there.
    ///
    /// - Throws: `Failure`, would overwrite, where one is there that was drawn otherwise; `StorageError`.
    func holds(_ group: Range<Int>) throws -> Bool

    /// Adds the images of a group.
    ///
    /// - Throws: `StorageError`.
    func add(_ images: DrawnImages) throws

    /// An image that is there, for a picture of many.
    ///
    /// - Throws: `StorageError`.
    func image(_ index: Int) throws -> SampleImage
}

/// One image.
public struct SampleImage: Sendable {
    public let channels: Int
    public let side: Int
    /// [channels, side, side]
    public let values: [Float]

    public init(channels: Int, side: Int, values: [Float]) {
        precondition(values.count == channels * side * side, "\(values.count) values of an image")
        (self.channels, self.side, self.values) = (channels, side, values)
    }

    /// As a picture of its own size, grey or red, green and blue. Of latents the first three channels are shown: a hint,
    /// no more.
    var picture: ByteImage { SamplePicture(rows: [[self]]).image(ImageGrid(padding: 0)) }

    /// Its values as a picture shows them, [1 or 3, side, side].
    var shown: [Float] {
        let plane = side * side
        guard channels != 2 else { return (0..<3).flatMap { _ in values[..<plane] } }
        return Array(values.prefix(min(channels, 3) * plane))
    }
}
