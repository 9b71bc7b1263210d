import Foundation
import Storage

/// What a checkpoint is, for a person or a script to look at.
public struct CheckpointInspection: Codable, Sendable {
    public struct Group: Codable, Equatable, Sendable {
        public let name: String
        public let tensors: Int
        /// Elements of all its tensors.
        public let values: Int
    }

    /// A tensor, and what its finite values are like. Of none, all but the norm is NaN.
    public struct Tensor: Codable, Equatable, Sendable {
        public let group: String
        public let name: String
        public let shape: [Int]
        /// Of its values, as NumPy names it.
        public let type: String
        /// The root of the sum of squares, in double.
        public let norm: Double
        public let minimum: Double
        public let maximum: Double
        public let mean: Double
        /// The standard deviation: the root of the mean squared distance from the mean.
        public let deviation: Double
        /// How many values are NaN.
        public let nan: Int
        /// How many are infinite.
        public let infinite: Int
    }

    public let path: String
    public let metadata: CheckpointMetadata
    /// The network in words; nil where this program does not understand the job.
    public let model: String?
    /// Trainable values of the network.
    public let parameters: Int?
    /// Files that hold tensors.
    public let rankFiles: Int
    /// Of all files.
    public let bytes: Int
    public let groups: [Group]
    /// Nil unless asked for.
    public let tensors: [Tensor]?

    /// - Parameters:
    ///   - model: the network that the recorded job describes, in words, and its trainable values; nil where this
    ///     program does not understand the job.
    ///   - tensors: whether to read every tensor, too, which takes memory for the largest piece.
    /// - Throws: as ``CheckpointReader/read(group:name:rows:into:)``.
    public init(
        _ reader: CheckpointReader, model: (inWords: String, parameters: Int)?, tensors: Bool
    ) throws {
        path = reader.path
        metadata = reader.metadata
        self.model = model?.inWords
        parameters = model?.parameters
        rankFiles = reader.index.files.count
        bytes = try [CheckpointNames.index, CheckpointNames.commit].reduce(
            reader.index.files.reduce(0) { $0 + $1.size }
        ) { try $0 + Files.size(of: "\(reader.path)/\($1)") }
        var groups: [Group] = []
        for tensor in reader.index.tensors {
            let last = groups.last?.name == tensor.group ? groups.removeLast() : nil
            groups.append(
                Group(
                    name: tensor.group, tensors: (last?.tensors ?? 0) + 1, values: (last?.values ?? 0) + tensor.count))
        }
        self.groups = groups
        self.tensors = tensors ? try reader.index.tensors.map { try Tensor($0, of: reader) } : nil
    }
}

extension CheckpointInspection.Tensor {
    init(_ tensor: CheckpointIndex.Tensor, of reader: CheckpointReader) throws {
        var cursor = PieceCursor(tensor, of: reader)
        var values = ValueStatistics()
        while let piece = try cursor.next() { values.add(piece) }
        self.init(
            group: tensor.group, name: tensor.name, shape: tensor.shape, type: "float32", norm: values.norm,
            minimum: values.minimum, maximum: values.maximum, mean: values.mean, deviation: values.deviation,
            nan: values.nan, infinite: values.infinite)
    }
}
