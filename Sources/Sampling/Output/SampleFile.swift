import Storage

/// Samples as a file: HDF5 with `/images` [N, C, S, S] float32, `/labels` [N] int32, `/iterations` [N] int32, and metadata
/// as attributes.
public struct SampleFile: Sendable {
    public let channels: Int
    public let side: Int
    /// [N, C, S, S]
    public let images: [Float]
    /// [N], or nil without class labels.
    public let classes: [Int32]?
    /// [N], fixed-point iterations that were made of each, with guidance for both halves; nil where it is not told.
    public let iterations: [Int32]?
    public let metadata: [String: String]

    public init(
        channels: Int, side: Int, images: [Float], classes: [Int32]?, iterations: [Int32]? = nil,
        metadata: [String: String]
    ) {
        self.channels = channels
        self.side = side
        self.images = images
        (self.classes, self.iterations) = (classes, iterations)
        self.metadata = metadata
    }

    public var count: Int { images.count / (channels * side * side) }

    /// - Throws: `StorageError`
    public init(path: String) throws {
        let file = try HDF5File.open(path)
        guard file.exists("images") else {
            throw StorageError(.malformed, path, "holds no /images; is it a file that fpdm sample wrote?")
        }
        let dataset = try file.dataset("images")
        guard dataset.shape.count == 4, dataset.shape[2] == dataset.shape[3], !dataset.shape.contains(0) else {
            throw StorageError(.malformed, path, "/images has shape \(dataset.shape), not [N, C, S, S]")
        }
        let images = try dataset.read(Float.self)
        var classes: [Int32]?
        if file.exists("labels") {
            let labels = try file.dataset("labels")
            guard labels.shape == [dataset.shape[0]] else {
                throw StorageError(
                    .malformed, path, "/labels has shape \(labels.shape), not [\(dataset.shape[0])]: one for each image"
                )
            }
            classes = try labels.read(Int32.self)
        }
        self.init(
            channels: dataset.shape[1], side: dataset.shape[2], images: images, classes: classes,
            iterations: file.exists("iterations") ? try file.dataset("iterations").read(Int32.self) : nil,
            metadata: try Self.metadata(of: file))
    }

    /// Writes the file whole or not at all; an existing one is refused.
    /// - Throws: `StorageError`
    public func write(to path: String) throws {
        try Self.write(to: path, count: count, metadata: metadata) { append in try append(self) }
    }
}
