import Storage

/// Samples as a picture: one row a class where there are classes, else rows of equal length.
public struct SamplePicture {
    /// More would be a picture that no program shows.
    static let mostRows = 100

    /// All of one shape.
    private let rows: [[SampleImage]]

    init(rows: [[SampleImage]]) { self.rows = rows }

    /// - Parameters:
    ///   - classes: of the images; nil without.
    ///   - columns: most images in a row.
    ///   - image: the one at a position; asked for those that are shown.
    public init(count: Int, classes: [Int32]?, columns: Int, image: (Int) throws -> SampleImage) rethrows {
        rows = try Self.positions(count, classes, columns).map { try $0.map(image) }
    }

    /// - Parameter columns: most images in a row.
    public init(_ file: SampleFile, columns: Int) {
        let values = file.channels * file.side * file.side
        self.init(count: file.count, classes: file.classes, columns: columns) { position in
            SampleImage(
                channels: file.channels, side: file.side,
                values: Array(file.images[position * values..<(position + 1) * values]))
        }
    }

    private static func positions(_ count: Int, _ classes: [Int32]?, _ columns: Int) -> [[Int]] {
        let rows: [[Int]]
        if let classes {
            var found: [Int32: [Int]] = [:]
            for (position, label) in classes.enumerated() where found[label, default: []].count < columns {
                found[label, default: []].append(position)
            }
            rows = found.sorted { $0.key < $1.key }.map(\.value)
        } else {
            rows = stride(from: 0, to: count, by: columns).map { Array($0..<min($0 + columns, count)) }
        }
        return Array(rows.prefix(mostRows))
    }

    /// - Parameter texts: stand in the file, by keyword.
    /// - Throws: `StorageError`
    public func write(to path: String, texts: [String: String] = [:]) throws {
        try image().write(to: path, texts: texts)
    }

    /// Small images are enlarged, so that pixels can be seen.
    public func image() -> ByteImage { image(ImageGrid(zoom: max(1, 32 / (rows.first?.first?.side ?? 32)))) }

    func image(_ grid: ImageGrid) -> ByteImage {
        let (channels, side) = rows.first?.first.map { ($0.channels, $0.side) } ?? (1, 1)
        return grid.render(
            rows: rows.map { row in row.map(\.shown) }, channels: channels == 1 ? 1 : 3, height: side, width: side)
    }
}
