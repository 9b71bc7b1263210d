import Compute

extension CheckpointReader {
    /// Memory for the largest tensor, so that looking through a checkpoint takes no more than that.
    struct Scratch {
        private let arena: Arena
        private let buffer: FloatBuffer

        init(for readers: CheckpointReader...) {
            let largest = readers.flatMap(\.index.tensors).map(\.count).max() ?? 0
            (arena, buffer) = Arena.build("checkpoint scratch") { $0.take(largest) }
        }

        /// Reads a tensor and lends its values.
        func with<Result>(
            _ tensor: CheckpointIndex.Tensor, of reader: CheckpointReader, _ body: (FloatBuffer) throws -> Result
        ) throws -> Result {
            let values = buffer.slice(0, tensor.count)
            try reader.read(group: tensor.group, name: tensor.name, into: values)
            return try withExtendedLifetime(arena) { try body(values) }
        }

        /// Reads the pieces of a tensor that are in one file, for their checksums' sake.
        func check(_ tensor: CheckpointIndex.Tensor, of reader: CheckpointReader, in file: String) throws {
            for piece in tensor.pieces where piece.file == file {
                try reader.read(piece, of: tensor, into: buffer.slice(0, piece.rows.count * tensor.rowCount))
            }
            withExtendedLifetime(arena) {}
        }
    }
}
