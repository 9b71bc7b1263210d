/// What a data set is packed from: samples that can be asked for one by one.
public protocol PackSource {
    /// N, the number of samples.
    var count: Int { get }
    /// C.
    var channels: Int { get }
    /// H and W.
    var side: Int { get }
    /// How values are stored.
    var type: PackedType { get }
    var labels: DatasetLabels { get }
    /// What the classes are called, by number.
    var labelNames: [String]? { get }
    /// What brings stored values to what a model sees.
    var scaling: (scale: Double, shift: Double) { get }
    /// The sample at 0 ..< `count`.
    ///
    /// - Throws: an error that names the file if the sample is not like the others.
    func sample(at index: Int) throws -> PackedSample
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
