import Compute

/// Which rows of which tensor.
public struct CheckpointExtent: Equatable, Sendable {
    /// What kind of tensor it is: `model`, `ema`, `optimizer/m` or `optimizer/v`.
    public let group: String
    /// As in published checkpoints, for instance `blocks.0.attn.qkv.weight`.
    public let name: String
    /// Of the whole tensor: at least one dimension; the last is the fastest in memory.
    public let shape: [Int]
    /// A row is what one index of the first dimension holds.
    public let rows: Range<Int>

    /// - Parameter rows: all of them unless told.
    /// - Precondition: `rows` are rows of `shape`, and `name` can be one link of an HDF5 file.
    public init(group: String, name: String, shape: [Int], rows: Range<Int>? = nil) {
        precondition(!shape.isEmpty && shape.allSatisfy { $0 >= 0 }, "\(name): no shape to save: \(shape)")
        precondition(!name.isEmpty && name != "." && !name.contains("/"), "no name for a tensor: \(name)")
        let rows = rows ?? 0..<shape[0]
        precondition(rows.lowerBound >= 0 && rows.upperBound <= shape[0], "\(name): rows \(rows) of shape \(shape)")
        self.group = group
        self.name = name
        self.shape = shape
        self.rows = rows
    }

    /// Elements of these rows.
    public var count: Int { rows.count * rowCount }

    /// Elements of a row.
    var rowCount: Int { shape.dropFirst().reduce(1, *) }

    var path: String { "\(group)/\(name)" }
}

/// Rows of a tensor to save, or room for some to load.
public struct CheckpointPiece: Sendable {
    public let extent: CheckpointExtent
    /// Exactly the elements of `extent`, owned by somebody else and left alone while they are written.
    public let values: FloatBuffer

    /// - Parameters:
    ///   - shape: of the whole tensor.
    ///   - rows: all of them unless told.
    /// - Precondition: `values` has as many elements as `rows`; and as ``CheckpointExtent``.
    public init(group: String, name: String, shape: [Int], rows: Range<Int>? = nil, values: FloatBuffer) {
        extent = CheckpointExtent(group: group, name: name, shape: shape, rows: rows)
        precondition(
            extent.count == values.count, "\(name): \(values.count) values for rows \(extent.rows) of \(shape)")
        self.values = values
    }
}
