import Compute
import Storage

/// The file of one writer: each of its pieces is a data set `/GROUP/NAME` that tells its place and its checksum.
enum CheckpointRankFile {
    /// Writes the file and brings it to the disk.
    ///
    /// - Parameter pieces: of different tensors; those without elements are left out.
    static func write(_ pieces: [CheckpointPiece], to path: String) throws {
        let file = try HDF5File.create(path)
        for piece in pieces where piece.values.count > 0 {
            let extent = piece.extent
            let place = "/\(extent.path)"
            let values = piece.values.readable
            let shape = [extent.rows.count] + extent.shape.dropFirst()
            try file.createDataset(place, .float32, shape: shape).write(values)
            try file.setAttribute("tensor", extent.path, of: place)
            try file.setAttribute("start_row", extent.rows.lowerBound, of: place)
            try file.setAttribute("shape", extent.shape, of: place)
            // Of the bytes in memory, so that an error of HDF5 or below would show too.
            try file.setAttribute("crc32c", Int(CRC32C.of(UnsafeRawBufferPointer(values))), of: place)
        }
        try file.close()
        try AtomicFile.syncFile(path)
    }
}
