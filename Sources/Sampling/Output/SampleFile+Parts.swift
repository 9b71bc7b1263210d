import Storage

/// Parts of a file of samples, read and written without all of it in memory.
extension SampleFile {
    /// - Throws: `StorageError`
    static func metadata(of path: String) throws -> [String: String] { try metadata(of: HDF5File.open(path)) }

    static func metadata(of file: HDF5File) throws -> [String: String] {
        var metadata: [String: String] = [:]
        for name in try file.attributeNames() { metadata[name] = try? file.attribute(name, as: String.self) }
        return metadata
    }

    /// - Throws: `StorageError`
    static func classes(of path: String) throws -> [Int32]? {
        let file = try HDF5File.open(path)
        return file.exists("labels") ? try file.dataset("labels").read(Int32.self) : nil
    }

    /// One image, by its position.
    ///
    /// - Throws: `StorageError`
    static func image(_ position: Int, of path: String) throws -> SampleImage {
        let images = try HDF5File.open(path).dataset("images")
        return SampleImage(
            channels: images.shape[1], side: images.shape[2],
            values: try images.read(start: [position, 0, 0, 0], count: [1] + images.shape.dropFirst()))
    }

    /// Writes a file of several others' images, whole or not at all; an existing one is refused.
    ///
    /// - Parameters:
    ///   - count: of all images.
    ///   - body: appends the others one after the other.
    /// - Throws: `StorageError`
    static func write(
        to path: String, count: Int, metadata: [String: String],
        _ body: (_ append: (SampleFile) throws -> Void) throws -> Void
    ) throws {
        guard try !Files.exists(path) else {
            throw StorageError(.exists, path, "exists; give another --output, or remove it")
        }
        try HDF5File.write(to: path) { file in
            var position = 0
            var images: HDF5Dataset?
            var perImage: [String: HDF5Dataset] = [:]
            try body { part in
                let shape = [part.channels, part.side, part.side]
                let target = try images ?? file.createDataset("images", .float32, shape: [count] + shape)
                images = target
                try part.images.withUnsafeBufferPointer {
                    try target.write($0, start: [position, 0, 0, 0], count: [part.count] + shape)
                }
                for (name, values) in [("labels", part.classes), ("iterations", part.iterations)] {
                    guard let values else { continue }
                    let target = try perImage[name] ?? file.createDataset(name, .int32, shape: [count])
                    perImage[name] = target
                    try values.withUnsafeBufferPointer {
                        try target.write($0, start: [position], count: [part.count])
                    }
                }
                position += part.count
            }
            precondition(position == count, "\(position) of \(count) images")
            for (name, value) in metadata.sorted(by: { $0.key < $1.key }) { try file.setAttribute(name, value) }
        }
    }
}
