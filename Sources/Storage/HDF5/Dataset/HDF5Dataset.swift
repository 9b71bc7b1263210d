import CHDF5

/// A data set of an open file.
///
/// Closing the file ends its use. Values lie in memory row by row, the last dimension fastest.
public final class HDF5Dataset: @unchecked Sendable {
    /// `[]` for a single value.
    public let shape: [Int]
    /// The type in the file.
    public let type: HDF5Type
    /// The shape of a chunk; nil where values lie in one piece, or in other files.
    public let chunk: [Int]?
    /// How its chunks are stored, where that is plain.
    let plainChunks: PlainChunks?
    /// Whether each chunk carries a checksum (Fletcher-32), which reading checks.
    let hasChecksums: Bool
    /// The number of elements.
    public let count: Int
    /// Its path in the file.
    public let name: String

    let file: HDF5File
    let handle: hid_t

    /// Takes over an open data set. Under the lock.
    init(file: HDF5File, name: String, handle: hid_t) throws {
        self.file = file
        self.name = name
        self.handle = handle
        do {
            let path = file.path
            let space = try HDF5Library.call("examine", path, name) { H5Dget_space(handle) }
            defer { H5Sclose(space) }
            shape = try HDF5Space.shape(of: space, path, name)
            count = try HDF5Space.count(shape, path, name)
            let type = try HDF5Library.call("examine", path, name) { H5Dget_type(handle) }
            defer { H5Tclose(type) }
            let element = try HDF5Type(reading: type, path, name)
            self.type = element
            let creation = try HDF5Library.call("examine", path, name) { H5Dget_create_plist(handle) }
            defer { H5Pclose(creation) }
            if H5Pget_layout(creation) == H5D_CHUNKED, let rank = Int32(exactly: shape.count) {
                var sizes = [hsize_t](repeating: 0, count: shape.count)
                try HDF5Library.call("examine the chunks", path, name) { H5Pget_chunk(creation, rank, &sizes) }
                chunk = try HDF5Library.integers(sizes, path, name)
            } else {
                chunk = nil
            }
            let filters = try HDF5Filters(reading: creation, path, name)
            hasChecksums = filters.hasChecksums
            try filters.requireAvailable(path, name)
            plainChunks = try Self.plainChunks(filters, type: type, element, shape: shape, chunk: chunk, path)
        } catch {
            H5Dclose(handle)
            throw error
        }
    }

    deinit {
        HDF5Library.locked {
            // Closing the file has closed the data set with it.
            if file.isOpen { _ = H5Dclose(handle) }
        }
    }

    /// Runs HDF5 calls on the data set, under the lock.
    @discardableResult
    func withHandle<Result>(_ body: (hid_t) throws -> Result) throws -> Result {
        try file.withHandle { _ in try body(handle) }
    }

    /// An error about this data set.
    func error(_ kind: StorageTrouble, _ message: String) -> StorageError {
        StorageError(kind, file.path, "\(name): \(message)")
    }
}

extension HDF5File {
    /// Opens a data set.
    ///
    /// - Throws: ``StorageError``, `.missing` if there is none, `.malformed` if the path is a group's.
    public func dataset(_ path: String) throws -> HDF5Dataset {
        try withHandle { handle in
            guard try kind(of: path) == .dataset else {
                throw StorageError(.malformed, self.path, "\(path): is a group, not a data set")
            }
            let dataset = try HDF5Library.call("open", self.path, path) { H5Dopen2(handle, path, fpdm_default) }
            return try HDF5Dataset(file: self, name: path, handle: dataset)
        }
    }
}
