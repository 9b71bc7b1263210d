import Compute

/// A tensor to save, or room for one to load.
public struct CheckpointTensor: Sendable {
    /// What kind of tensor it is: `model`, `ema`, `optimizer/m` or `optimizer/v`.
    public let group: String
    /// As in published checkpoints, for instance `blocks.0.attn.qkv.weight`.
    public let name: String
    /// At least one dimension; the last is the fastest in memory.
    public let shape: [Int]
    /// The tensor's elements, owned by somebody else and left alone while they are written.
    public let values: FloatBuffer

    /// - Precondition: `values` has as many elements as `shape`, and `name` can be one link of an HDF5 file.
    public init(group: String, name: String, shape: [Int], values: FloatBuffer) {
        precondition(!shape.isEmpty && shape.allSatisfy { $0 >= 0 }, "\(name): no shape to save: \(shape)")
        precondition(shape.reduce(1, *) == values.count, "\(name): \(values.count) values of shape \(shape)")
        precondition(!name.isEmpty && name != "." && !name.contains("/"), "no name for a tensor: \(name)")
        self.group = group
        self.name = name
        self.shape = shape
        self.values = values
    }

    var path: String { "\(group)/\(name)" }
}
