import CHDF5

/// A box of a virtual data set, and where its values lie.
public struct VirtualPiece: Equatable, Sendable {
    /// The file, relative to the folder of the file with the virtual data set.
    public let file: String
    /// The data set in it.
    public let dataset: String
    /// The whole shape of that data set.
    public let sourceShape: [Int]
    /// The box's first element there.
    public let sourceStart: [Int]
    /// The box's first element in the virtual data set.
    public let start: [Int]
    /// The box's shape.
    public let count: [Int]

    public init(
        file: String, dataset: String, sourceShape: [Int], sourceStart: [Int], start: [Int], count: [Int]
    ) {
        self.file = file
        self.dataset = dataset
        self.sourceShape = sourceShape
        self.sourceStart = sourceStart
        self.start = start
        self.count = count
    }
}

extension HDF5File {
    /// Makes a data set whose values lie in other files, so that all are seen as one array.
    ///
    /// HDF5 reads a missing file as `fill`, with success: check ``HDF5Dataset/virtualSources()`` before reading through
    /// it. Empty pieces are left out.
    ///
    /// - Parameter fill: NaN for floats.
    public func createVirtualDataset(
        _ path: String, _ type: HDF5Type, shape: [Int], pieces: [VirtualPiece], fill: Double?
    ) throws -> HDF5Dataset {
        guard !shape.isEmpty else {
            throw StorageError(.malformed, self.path, "\(path): HDF5 has no virtual data set of a single value")
        }
        return try createDataset(path, type, shape: shape, fill: fill) { creation in
            for piece in pieces where !piece.count.contains(0) {
                guard piece.fits(shape) else {
                    throw StorageError(.malformed, self.path, "\(path): \(piece) does not fit the shape \(shape)")
                }
                let space = try HDF5Space.create(shape: shape, self.path, path)
                defer { H5Sclose(space) }
                try HDF5Space.select(space, start: piece.start, count: piece.count, self.path, path)
                let source = try HDF5Space.create(shape: piece.sourceShape, self.path, path)
                defer { H5Sclose(source) }
                try HDF5Space.select(source, start: piece.sourceStart, count: piece.count, self.path, path)
                try HDF5Library.call("map \(piece.file)", self.path, path) {
                    H5Pset_virtual(
                        creation, space, piece.file.escapingPercent, piece.dataset.escapingPercent, source)
                }
            }
        }
    }
}

extension HDF5Dataset {
    /// The pieces of a virtual data set; none for others.
    public func virtualSources() throws -> [VirtualPiece] {
        try withHandle { handle in
            let creation = try HDF5Library.call("examine", file.path, name) { H5Dget_create_plist(handle) }
            defer { H5Pclose(creation) }
            guard H5Pget_layout(creation) == H5D_VIRTUAL else { return [] }
            var pieceCount = 0
            try HDF5Library.call("examine", file.path, name) { H5Pget_virtual_count(creation, &pieceCount) }
            return try (0..<pieceCount).map { try virtualSource($0, creation) }
        }
    }

    private func virtualSource(_ index: Int, _ creation: hid_t) throws -> VirtualPiece {
        let space = try HDF5Library.call("examine", file.path, name) { H5Pget_virtual_vspace(creation, index) }
        defer { H5Sclose(space) }
        let source = try HDF5Library.call("examine", file.path, name) { H5Pget_virtual_srcspace(creation, index) }
        defer { H5Sclose(source) }
        let box = try bounds(of: space)
        let sourceBox = try bounds(of: source)
        let file = try text { H5Pget_virtual_filename(creation, index, $0, $1) }
        let dataset = try text { H5Pget_virtual_dsetname(creation, index, $0, $1) }
        return VirtualPiece(
            file: file.unescapingPercent, dataset: dataset.unescapingPercent,
            sourceShape: try HDF5Space.shape(of: source, self.file.path, name), sourceStart: sourceBox.start,
            start: box.start, count: box.count)
    }

    /// The smallest box around a selection.
    private func bounds(of space: hid_t) throws -> (start: [Int], count: [Int]) {
        let rank = try HDF5Library.call("examine", file.path, name) { H5Sget_simple_extent_ndims(space) }
        var first = [hsize_t](repeating: 0, count: Int(rank))
        var last = first
        try HDF5Library.call("examine", file.path, name) { H5Sget_select_bounds(space, &first, &last) }
        let start = try HDF5Library.integers(first, file.path, name)
        let end = try HDF5Library.integers(last, file.path, name)
        return (start, zip(start, end).map { $1 - $0 + 1 })
    }

    private func text(_ get: (UnsafeMutablePointer<CChar>?, Int) -> Int) throws -> String {
        let length = try HDF5Library.call("examine", file.path, name) { get(nil, 0) }
        var characters = [CChar](repeating: 0, count: length + 1)
        try HDF5Library.call("examine", file.path, name) { get(&characters, characters.count) }
        return String(decoding: characters.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension VirtualPiece {
    /// Whether the box lies in both shapes.
    fileprivate func fits(_ shape: [Int]) -> Bool {
        func lies(_ start: [Int], _ shape: [Int]) -> Bool {
            start.count == shape.count && count.count == shape.count
                && zip(zip(start, count), shape).allSatisfy {
                    $0.0 >= 0 && $0.1 >= 0 && $0.0 <= $1 && $0.1 <= $1 - $0.0
                }
        }
        return lies(start, shape) && lies(sourceStart, sourceShape)
    }
}

extension String {
    /// HDF5 takes `%b` in the names of virtual sources for a block number.
    fileprivate var escapingPercent: String {
        split(separator: "%", omittingEmptySubsequences: false).joined(separator: "%%")
    }
    fileprivate var unescapingPercent: String { replacing("%%", with: "%") }
}
