import Storage

/// Samples as a picture: one row a class where there are classes, else rows of equal length.
public struct SamplePicture {
    private let file: SampleFile
    private let columns: Int

    /// - Parameter columns: most images in a row.
    public init(_ file: SampleFile, columns: Int) {
        self.file = file
        self.columns = columns
    }

    /// - Throws: `StorageError`
    public func write(to path: String) throws {
        try image().write(to: path)
    }

    /// Small images are enlarged, so that pixels can be seen.
    public func image() -> ByteImage {
        let zoom = max(1, 32 / file.side)
        return ImageGrid(zoom: zoom).render(
            rows: rows.map { row in row.map(pixels) }, channels: file.channels == 1 ? 1 : 3, height: file.side,
            width: file.side)
    }

    private var rows: [[Int]] {
        guard let classes = file.classes else {
            return stride(from: 0, to: file.count, by: columns).map { Array($0..<min($0 + columns, file.count)) }
        }
        return Set(classes).sorted().map { label in
            Array(classes.indices.filter { classes[$0] == label }.prefix(columns))
        }
    }

    /// One image as grey or red, green and blue. Of latents the first three channels are shown: a hint, no more.
    private func pixels(_ image: Int) -> [Float] {
        let plane = file.side * file.side
        let start = image * file.channels * plane
        if file.channels == 2 {
            let first = Array(file.images[start..<start + plane])
            return first + first + first
        }
        return Array(file.images[start..<start + min(file.channels, 3) * plane])
    }
}
