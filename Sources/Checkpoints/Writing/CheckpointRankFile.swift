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

    /// Reads a piece and checks place and checksum.
    ///
    /// - Parameter target: room for exactly the piece.
    /// - Throws: ``CheckpointError``, `.damaged`, if the piece is missing, is another or has changed.
    static func read(
        _ piece: CheckpointIndex.Piece, of tensor: CheckpointIndex.Tensor, from file: HDF5File, into target: FloatBuffer
    ) throws {
        let place = "/\(tensor.path)"
        func damage(_ message: String) -> CheckpointError {
            CheckpointError(.damaged, file.path, "\(place): \(message)")
        }
        try CheckpointError.translating {
            let dataset = try file.dataset(place)
            let shape = [piece.rows.count] + tensor.shape.dropFirst()
            guard dataset.type == .float32, dataset.shape == shape else {
                throw damage("should be float32 of shape \(shape), is \(dataset.type) of shape \(dataset.shape)")
            }
            guard try file.attribute("tensor", of: place) == tensor.path,
                try file.attribute("start_row", of: place) == piece.rows.lowerBound,
                try file.attribute("shape", of: place) == tensor.shape
            else { throw damage("is a piece of another tensor, or of another place in it") }
            precondition(target.count == dataset.count, "room for \(target.count) elements of \(dataset.count)")
            try dataset.read(into: target.writable, start: shape.map { _ in 0 }, count: shape)
            let crc: Int = try file.attribute("crc32c", of: place)
            let found = CRC32C.of(UnsafeRawBufferPointer(target.readable))
            guard Int(found) == crc else {
                throw damage("its values have changed since they were written (CRC-32C \(found.hex))")
            }
        }
    }
}
