import Compute
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

    /// A tensor's shape and, of its values that are finite, how large they are.
    public struct Tensor: Codable, Equatable, Sendable {
        public let group: String
        public let name: String
        public let shape: [Int]
        /// The root of the mean square.
        public let rms: Double
        public let minimum: Double
        public let maximum: Double
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
    ///   - tensors: whether to read every tensor, too.
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
        let scratch = CheckpointReader.Scratch(for: reader)
        self.tensors =
            tensors
            ? try reader.index.tensors.map { tensor in
                try scratch.with(tensor, of: reader) { Tensor(tensor, $0) }
            } : nil
    }
}

extension CheckpointInspection.Tensor {
    init(_ tensor: CheckpointIndex.Tensor, _ values: FloatBuffer) {
        var squares = 0.0
        var (minimum, maximum) = (Float.infinity, -Float.infinity)
        var (nan, infinite) = (0, 0)
        for value in values.readable {
            guard value.isFinite else {
                if value.isNaN { nan += 1 } else { infinite += 1 }
                continue
            }
            squares += Double(value) * Double(value)
            minimum = min(minimum, value)
            maximum = max(maximum, value)
        }
        let numbers = values.count - nan - infinite
        self.init(
            group: tensor.group, name: tensor.name, shape: tensor.shape,
            rms: numbers == 0 ? .nan : (squares / Double(numbers)).squareRoot(),
            minimum: numbers == 0 ? .nan : Double(minimum), maximum: numbers == 0 ? .nan : Double(maximum), nan: nan,
            infinite: infinite)
    }
}
