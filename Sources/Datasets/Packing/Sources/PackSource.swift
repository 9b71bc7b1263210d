/// What a data set is packed from: samples that can be asked for one by one, by their number.
///
/// A source is a value of its arguments and its files alone: every rank of a packing opens its own, and all must find the
/// same samples under the same numbers. Everything here may be used from several threads at once; `sample(at:)` too. The
/// writer asks for the samples of a shard in rising order (of `ShuffledSource`, which passes other numbers on), each once
/// as a rule, and again where a shard is begun anew. A source that wraps another passes on what it does not change.
public protocol PackSource: Sendable {
    /// N, the number of samples.
    var count: Int { get }
    /// C.
    var channels: Int { get }
    /// H and W.
    var side: Int { get }
    /// How values are stored.
    var type: PackedType { get }
    /// What they are: `pixels`, `latents` or `moments`.
    var content: String { get }
    var labels: DatasetLabels { get }
    /// What the classes are called, by number.
    var labelNames: [String]? { get }
    /// What brings stored values to what a model sees.
    var scaling: (scale: Double, shift: Double) { get }
    /// A line that another source has only if it gives the same samples, as far as one can tell without reading them: a
    /// packing that was stopped goes on only from the same. What the other properties say need not be in it.
    var identity: String { get }
    /// How latents are scaled that are drawn from moments; nil for other content.
    var latents: LatentScaling? { get }
    /// The sample at 0 ..< `count`.
    ///
    /// - Throws: `StorageError`, naming the file, if this sample cannot be read, which a packing may leave out; any other
    ///   error, such as a `DatasetError` where the sample is not like the others, ends the packing.
    func sample(at index: Int) throws -> PackedSample
}

extension PackSource {
    public var content: String { "pixels" }
    public var identity: String { "" }
}

/// How the values of images are stored.
public enum PackedType: String, Equatable, Sendable {
    case uint8, float32
}

/// An image and what it is labelled with: always handed over together.
public struct PackedSample: Equatable, Sendable {
    /// [C, H, W], in the source's type.
    public enum Values: Equatable, Sendable {
        case bytes([UInt8])
        case floats([Float])
    }

    /// One of the source's kind.
    public enum Label: Equatable, Sendable {
        case none
        case `class`(Int32)
        case vector([Float])
    }

    public var values: Values
    public var label: Label

    public init(values: Values, label: Label) {
        self.values = values
        self.label = label
    }
}
