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
    }
}
