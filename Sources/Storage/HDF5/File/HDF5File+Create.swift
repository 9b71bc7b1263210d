import CHDF5

/// How a data set's values lie in the file.
public struct DatasetLayout: Equatable, Sendable {
    /// The shape of a chunk; nil: all in one piece, without filters.
    public let chunk: [Int]?
    /// The level of compression, 1 to 9; nil: none.
    public let deflate: Int?
    /// Whether bytes of equal rank are stored together, which compresses better.
    public let shuffle: Bool
    /// Whether each chunk carries a checksum.
    public let fletcher32: Bool

    public init(chunk: [Int]?, deflate: Int? = nil, shuffle: Bool = false, fletcher32: Bool = false) {
        self.chunk = chunk
        self.deflate = deflate
        self.shuffle = shuffle
        self.fletcher32 = fletcher32
    }

    /// All in one piece.
    public static let contiguous = DatasetLayout(chunk: nil)

    /// In chunks, with checksums unless told otherwise. A chunk larger than the data set is cut to its shape; a single
    /// value or an empty data set is stored in one piece.
    public static func chunked(
        _ chunk: [Int], deflate: Int? = nil, shuffle: Bool = false, fletcher32: Bool = true
    ) -> DatasetLayout {
        DatasetLayout(chunk: chunk, deflate: deflate, shuffle: shuffle, fletcher32: fletcher32)
    }
}

extension HDF5File {
    /// Makes a data set, and the groups above it.
    ///
    /// - Parameters:
    ///   - path: its path in the file.
    ///   - type: the type in the file.
    ///   - shape: `[]` for a single value.
    ///   - fill: what elements that were never written read as; zero unless told.
    /// - Throws: ``StorageError``, `.exists` if there is something of that name.
    public func createDataset(
        _ path: String, _ type: HDF5Type, shape: [Int], layout: DatasetLayout = .contiguous, fill: Double? = nil
    ) throws -> HDF5Dataset {
        try createDataset(path, type, shape: shape, fill: fill) { creation in
            guard let chunk = layout.chunk, !shape.isEmpty, !shape.contains(0) else { return }
            guard chunk.count == shape.count, chunk.allSatisfy({ $0 > 0 }), let rank = Int32(exactly: chunk.count)
            else {
                throw StorageError(.malformed, self.path, "\(path): chunk \(chunk) does not fit the shape \(shape)")
            }
            let sizes = try HDF5Library.sizes(zip(chunk, shape).map(min), "the chunk", self.path, path)
            try HDF5Library.call("set the chunk", self.path, path) { H5Pset_chunk(creation, rank, sizes) }
            if layout.shuffle { try HDF5Library.call("set shuffling", self.path, path) { H5Pset_shuffle(creation) } }
            if let level = layout.deflate {
                guard let level = UInt32(exactly: level), level <= 9 else {
                    throw StorageError(.malformed, self.path, "\(path): compression goes from 0 to 9, not \(level)")
                }
                try HDF5Library.call("set compression", self.path, path) { H5Pset_deflate(creation, level) }
            }
            // Last: the checksum is of the bytes as they are stored.
            if layout.fletcher32 {
                try HDF5Library.call("set checksums", self.path, path) { H5Pset_fletcher32(creation) }
            }
        }
    }

    /// Makes a data set with further properties.
    func createDataset(
        _ path: String, _ type: HDF5Type, shape: [Int], fill: Double?, _ properties: (hid_t) throws -> Void
    ) throws -> HDF5Dataset {
        try withHandle { handle in
            try refuseExisting(path, handle)
            try makeGroups(path.split(separator: "/").dropLast().joined(separator: "/"), handle)
            let link = try linkProperties(path)
            defer { H5Pclose(link) }
            let creation = try HDF5Library.call("prepare", self.path, path) { H5Pcreate(fpdm_dataset_create()) }
            defer { H5Pclose(creation) }
            // Times would make equal content unequal bytes.
            try HDF5Library.call("prepare", self.path, path) { H5Pset_obj_track_times(creation, false) }
            if var fill {
                try HDF5Library.call("set the fill value", self.path, path) {
                    H5Pset_fill_value(creation, fpdm_native_double(), &fill)
                }
            }
            try properties(creation)
            let space = try HDF5Space.create(shape: shape, self.path, path)
            defer { H5Sclose(space) }
            let fileType = try type.fileHandle(self.path)
            let dataset = try HDF5Library.call("create", self.path, path) {
                H5Dcreate2(handle, path, fileType, space, link, creation, fpdm_default)
            }
            return try HDF5Dataset(file: self, name: path, handle: dataset)
        }
    }
}
