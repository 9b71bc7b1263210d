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

    /// Reads the file again and compares each piece with what is in memory, because earlier checkpoints may be deleted
    /// for this one. Takes 4 MiB of memory, or a row.
    ///
    /// - Throws: `StorageError`, `.io`, naming the tensor that has come to the file as another.
    static func requireWritten(_ pieces: [CheckpointPiece], at path: String) throws {
        let file = try HDF5File.open(path)
        let pieces = pieces.filter { $0.values.count > 0 }
        let largest = pieces.map(\.extent).map { min($0.rows.count, batch($0.rowCount)) * $0.rowCount }.max() ?? 0
        let (arena, room) = Arena.build("checkpoint piece") { $0.take(largest) }
        try withExtendedLifetime(arena) {
            for piece in pieces {
                let (extent, place) = (piece.extent, "/\(piece.extent.path)")
                let found = try digest(0..<extent.rows.count, of: file.dataset(place), extent.rowCount) {
                    room.slice(0, $0.count * extent.rowCount)
                }
                let written = CRC32C.of(UnsafeRawBufferPointer(piece.values.readable))
                guard found == written, try file.attribute("crc32c", of: place) == Int(written) else {
                    throw StorageError(
                        .io, path,
                        "\(place): is not in the file as it was in memory; the memory of this machine, its disk or what "
                            + "lies between changes bits: have its administrator look at it")
                }
            }
        }
    }

    /// Reads rows of a piece for their checksum, some at a time.
    ///
    /// - Parameters:
    ///   - rows: of the data set.
    ///   - rowCount: elements of a row.
    ///   - room: for some rows.
    static func digest(
        _ rows: Range<Int>, of values: HDF5Dataset, _ rowCount: Int, into room: (Range<Int>) -> FloatBuffer
    ) throws -> UInt32 {
        let rest = values.shape.dropFirst()
        var crc = CRC32C()
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: batch(rowCount)) {
            let some = start..<min(start + batch(rowCount), rows.upperBound)
            let target = room(some)
            try values.read(into: target.writable, start: [start] + rest.map { _ in 0 }, count: [some.count] + rest)
            crc.update(UnsafeRawBufferPointer(target.readable))
        }
        return crc.value
    }

    /// Rows that are read at once: 4 MiB of them, or one.
    ///
    /// - Parameter rowCount: elements of a row.
    static func batch(_ rowCount: Int) -> Int { max(1, (4 << 20) / MemoryLayout<Float>.stride / rowCount) }
}
