import CHDF5

/// Chunks read as they are stored. HDF5's lock is held for the bytes alone: a checksum is checked without it, and a
/// thread that reads waits once for many chunks while another writes.
extension HDF5Dataset {
    /// How the chunks of a data set are stored that need no more than copying: whole rows, no filter but a checksum.
    public struct PlainChunks: Equatable, Sendable {
        /// Rows of a chunk, the last one's padding included.
        public let rows: Int
        /// Bytes of its values.
        public let valueBytes: Int
        /// Whether a Fletcher-32 of four bytes follows them.
        public let hasChecksum: Bool

        /// Bytes of a chunk in the file.
        public var storedBytes: Int { valueBytes + (hasChecksum ? 4 : 0) }
    }

    /// A chunk that is wanted.
    public struct ChunkRequest {
        let dataset: HDF5Dataset
        let chunk: Int
        let target: UnsafeMutableRawBufferPointer

        /// - Parameters:
        ///   - dataset: one with plain chunks.
        ///   - chunk: its number along the first dimension.
        ///   - target: room for its stored bytes.
        public init(_ dataset: HDF5Dataset, chunk: Int, into target: UnsafeMutableRawBufferPointer) {
            (self.dataset, self.chunk, self.target) = (dataset, chunk, target)
        }
    }

    /// How chunks are stored, if plain, and as values of this type; otherwise nil.
    public func plainChunks<S: HDF5Scalar>(of _: S.Type) -> PlainChunks? { S.hdf5Type == type ? plainChunks : nil }

    /// Reads chunks as they are stored, of any data sets, and checks them.
    ///
    /// - Returns: for each request, whether its bytes are there and sound. What is not is left to `read`, which gives
    ///   values that were never written, and says what is wrong with a chunk.
    public static func readStored(_ requests: [ChunkRequest]) throws -> [Bool] {
        let present = try HDF5Library.locked { try requests.map { try $0.dataset.readStored($0) } }
        return zip(requests, present).map { request, isPresent in
            guard isPresent, let plain = request.dataset.plainChunks else { return false }
            return !plain.hasChecksum || Fletcher32.holds(UnsafeRawBufferPointer(request.target))
        }
    }

    /// Under the lock.
    private func readStored(_ request: ChunkRequest) throws -> Bool {
        guard let plain = plainChunks, let base = request.target.baseAddress else { return false }
        precondition(request.target.count == plain.storedBytes, "\(name): room for a chunk of another size")
        let first = request.chunk * plain.rows
        precondition(first >= 0 && first < shape[0], "\(name): chunk \(request.chunk) of \(shape)")
        let offset = [hsize_t(first)] + shape.dropFirst().map { _ in 0 }
        return try withHandle { handle in
            // HDF5 is not told how much room there is: what has another size than it should is not read.
            var size: hsize_t = 0
            guard H5Dget_chunk_storage_size(handle, offset, &size) >= 0, size == plain.storedBytes else { return false }
            var skippedFilters: UInt32 = 0
            guard H5Dread_chunk(handle, fpdm_default, offset, &skippedFilters, base) >= 0 else { return false }
            return skippedFilters == 0
        }
    }

    /// How chunks are stored, if plain. Under the lock.
    static func plainChunks(
        _ filters: HDF5Filters, type: hid_t, _ element: HDF5Type, shape: [Int], chunk: [Int]?, _ path: String
    ) throws -> PlainChunks? {
        guard let chunk, chunk.dropFirst() == shape.dropFirst(), let width = element.byteCount, chunk[0] > 0,
            H5Tequal(type, try element.memoryHandle(path)) > 0
        else { return nil }
        var valueBytes = width
        for length in chunk {
            let (product, overflow) = valueBytes.multipliedReportingOverflow(by: length)
            if overflow { return nil }
            valueBytes = product
        }
        guard filters.areAtMostChecksums, !filters.hasChecksums || valueBytes % 2 == 0 else { return nil }
        return PlainChunks(rows: chunk[0], valueBytes: valueBytes, hasChecksum: filters.hasChecksums)
    }
}
