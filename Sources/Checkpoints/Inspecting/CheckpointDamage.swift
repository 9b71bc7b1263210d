import Compute
import Storage

/// Where in a rank file the damage is.
enum CheckpointDamage {
    /// The tensors of which a file that does not hold its digest has lost values.
    ///
    /// HDF5 is asked for nothing but what carries checksums of its own, the headers of objects and the numbers in them:
    /// the heap of texts has none, and HDF5 1.10 may not survive damage there.
    ///
    /// - Returns: paths such as `model/x_embedder.proj.bias`, in the order of the index; all in the file where HDF5
    ///   cannot open it, none where the damage lies outside all values.
    /// - Throws: `StorageError` of kind `.io` if the disk fails.
    static func tensors(in name: String, of index: CheckpointIndex, folder: String) throws -> [String] {
        let file = try readable { try HDF5File.open("\(folder)/\(name)") }
        return try index.tensors.filter { tensor in
            try tensor.pieces.contains { piece in
                guard piece.file == name else { return false }
                guard let file else { return true }
                return try readable { try isWhole(piece, of: tensor, in: file) } != true
            }
        }.map(\.path)
    }

    private static func isWhole(
        _ piece: CheckpointIndex.Piece, of tensor: CheckpointIndex.Tensor, in file: HDF5File
    ) throws -> Bool {
        let place = "/\(tensor.path)"
        let dataset = try file.dataset(place)
        let shape = [piece.rows.count] + tensor.shape.dropFirst()
        guard dataset.type == .float32, dataset.shape == shape else { return false }
        let (arena, values) = Arena.build("checkpoint piece") { $0.take(dataset.count) }
        return try withExtendedLifetime(arena) {
            try dataset.read(into: values.writable, start: shape.map { _ in 0 }, count: shape)
            return try file.attribute("crc32c", of: place) == Int(CRC32C.of(UnsafeRawBufferPointer(values.readable)))
        }
    }

    /// What was read; nil where the content is not what it should be.
    private static func readable<Result>(_ body: () throws -> Result) throws -> Result? {
        do {
            return try body()
        } catch let error as StorageError where error.kind != .io {
            return nil
        }
    }
}
