import CHDF5

/// What a data set's chunks go through on their way to the file: compression, checksums.
struct HDF5Filters {
    /// HDF5's numbers of them, and their names as the file has them.
    private let filters: [(number: H5Z_filter_t, name: String)]

    /// Under the lock.
    ///
    /// - Parameter creation: the data set's creation properties.
    init(reading creation: hid_t, _ path: String, _ object: String) throws {
        let count = try HDF5Library.call("examine the filters", path, object) { H5Pget_nfilters(creation) }
        filters = try (0..<UInt32(count)).map { index in
            var (flags, values) = (UInt32(0), 0)
            var name = [CChar](repeating: 0, count: 256)
            let number = try HDF5Library.call("examine the filters", path, object) {
                H5Pget_filter2(creation, index, &flags, &values, nil, name.count, &name, nil)
            }
            return (number, String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
    }

    var hasChecksums: Bool { filters.contains { $0.number == H5Z_FILTER_FLETCHER32 } }

    /// Whether chunks are stored as they are, but for a checksum.
    var areAtMostChecksums: Bool { filters.count == (hasChecksums ? 1 : 0) }

    /// Refuses what this HDF5 cannot read: its own words would call the chunks damaged. Under the lock.
    func requireAvailable(_ path: String, _ object: String) throws {
        for (number, name) in filters {
            if try HDF5Library.ask("look for a filter", path, object, { H5Zfilter_avail(number) }) { continue }
            throw StorageError(
                .malformed, path,
                "\(object): is packed with the filter \(name.isEmpty ? "" : "\(name), ")number \(number), which the HDF5 "
                    + "of this program lacks; write the file anew with gzip or without compression (in h5py: "
                    + "compression=\"gzip\" or none), or point HDF5_PLUGIN_PATH at a plugin that has it")
        }
    }
}
