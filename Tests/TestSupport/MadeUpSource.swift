import Datasets

/// Samples made up from their index alone.
public struct MadeUpSource: PackSource, Sendable {
    public var count = 11
    public var channels = 2
    public var side = 3
    public var type = PackedType.uint8
    public var labels = DatasetLabels.classes
    public var labelNames: [String]?
    public var scaling: (scale: Double, shift: Double) = (1.0 / 128, -1)
    public var latents: LatentScaling?
    /// Replaces samples in tests of bad ones.
    public var change: (@Sendable (Int, inout PackedSample) throws -> Void)?

    public init(
        count: Int = 11, channels: Int = 2, side: Int = 3, type: PackedType = .uint8, labels: DatasetLabels = .classes,
        labelNames: [String]? = nil, scaling: (scale: Double, shift: Double) = (1.0 / 128, -1),
        change: (@Sendable (Int, inout PackedSample) throws -> Void)? = nil
    ) {
        (self.count, self.channels, self.side, self.type) = (count, channels, side, type)
        (self.labels, self.labelNames, self.scaling, self.change) = (labels, labelNames, scaling, change)
    }

    public var imageValues: Int { channels * side * side }

    public func stored(_ index: Int) -> [Float] {
        (0..<imageValues).map { value in
            let number = (index * 37 + value * 11) % 251
            return type == .uint8 ? Float(number) : Float(number) / 7 - 10
        }
    }

    public func classLabel(_ index: Int) -> Int32 { Int32(index * 5 % 7) }

    public func vector(_ index: Int) -> [Float] {
        guard case .continuous(let length) = labels else { return [] }
        return (0..<length).map { Float(index) - Float($0) / 3 }
    }

    public func sample(at index: Int) throws -> PackedSample {
        let values = stored(index)
        var sample = PackedSample(
            values: type == .uint8 ? .bytes(values.map { UInt8($0) }) : .floats(values), label: .none)
        switch labels {
        case .classes: sample.label = .class(classLabel(index))
        case .continuous: sample.label = .vector(vector(index))
        case .none: break
        }
        try change?(index, &sample)
        return sample
    }

    /// What reading the sample gives.
    public func expected(_ index: Int) -> [Float] {
        stored(index).map { $0 * Float(scaling.scale) + Float(scaling.shift) }
    }
}
