/// An array in a file of NumPy's format (NEP 1), or in a member of an archive of such: rows that can be asked for.
///
/// Of a file, rows are read when they are asked for; members that are compressed, and arrays in Fortran's order, are kept
/// in memory. Any thread may use it.
public final class NPYArray: @unchecked Sendable {
    /// The file, and the member of an archive: for errors.
    public let path: String
    public let shape: [Int]
    public let type: NumberType

    /// Where the values are, in C's order.
    private enum Place {
        case file(OpenFile, offset: Int)
        case memory([UInt8], offset: Int)
    }
    private let place: Place

    /// Numbers of a row: of what one index of the first dimension holds.
    public var rowCount: Int { shape.dropFirst().reduce(1, *) }
    private var rowBytes: Int { rowCount * type.width }

    /// Opens a `.npy` file.
    ///
    /// - Throws: ``StorageError``, `.malformed` if it is damaged, or holds other things than numbers.
    public convenience init(path: String) throws {
        let file = try OpenFile(regular: path)
        try self.init(file, start: 0, length: try file.size(), path: path)
    }

    /// - Parameters:
    ///   - start: of the bytes in the file.
    ///   - path: for errors.
    init(_ file: OpenFile, start: Int, length: Int, path: String) throws {
        var head = [UInt8](repeating: 0, count: min(length, NPYHeader.mostBytes))
        try head.withUnsafeMutableBytes { try file.read(into: $0, at: start) }
        let header = try NPYHeader(head, length: length, path)
        self.path = path
        (shape, type) = (header.shape, header.type)
        guard header.isFortran else {
            place = .file(file, offset: start + header.bytes)
            return
        }
        var values = [UInt8](repeating: 0, count: length - header.bytes)
        try values.withUnsafeMutableBytes { try file.read(into: $0, at: start + header.bytes) }
        place = .memory(header.inOrderOfC(values[...]), offset: 0)
    }

    /// - Parameter bytes: of a whole `.npy` file.
    init(_ bytes: [UInt8], path: String) throws {
        let header = try NPYHeader(bytes, length: bytes.count, path)
        self.path = path
        (shape, type) = (header.shape, header.type)
        place =
            header.isFortran
            ? .memory(header.inOrderOfC(bytes[header.bytes...]), offset: 0) : .memory(bytes, offset: header.bytes)
    }

    /// Rows as bytes.
    ///
    /// - Precondition: the type's numbers are bytes.
    public func bytes(_ rows: Range<Int>) throws -> [UInt8] {
        precondition(type.isByte, "\(path): numbers that are no bytes")
        return try withRows(rows) { Array($0) }
    }

    /// Rows as floats, rounded.
    public func floats(_ rows: Range<Int>) throws -> [Float] { try doubles(rows).map { Float($0) } }

    /// Rows as doubles, rounded.
    public func doubles(_ rows: Range<Int>) throws -> [Double] {
        try withRows(rows) { bytes in
            (0..<rows.count * rowCount).map { type.double(bytes, at: $0 * type.width) }
        }
    }

    private func withRows<Result>(_ rows: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Result) throws
        -> Result
    {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= shape.first ?? 1, "\(path): rows \(rows) of \(shape)")
        let range = rows.lowerBound * rowBytes..<rows.upperBound * rowBytes
        switch place {
        case .memory(let bytes, let offset):
            return try bytes.withUnsafeBytes { bytes in
                try body(.init(rebasing: bytes[(offset + range.lowerBound)..<(offset + range.upperBound)]))
            }
        case .file(let file, let offset):
            var bytes = [UInt8](repeating: 0, count: range.count)
            try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: offset + range.lowerBound) }
            return try bytes.withUnsafeBytes { try body($0) }
        }
    }
}
