import Reporting
import Storage

/// What tells two data sets apart, as far as a model that trains on them can tell: checkpoints record it.
///
/// It is taken in logical order, over all shards as if they were one array: how many shards there are, and how their
/// values lie in chunks, makes no difference. Written as text (which is also its JSON):
///
///     1797 samples [1, 8, 8] uint8; attributes 1a2b3c4d, labels 5e6f7a8b, pixels 9c0d1e2f
///
/// The three numbers are CRC-32C. They find mistakes, not forgeries.
public struct DatasetFingerprint: Equatable, Sendable {
    /// N, the number of samples.
    public let count: Int
    /// [C, H, W] of an image.
    public let imageShape: [Int]
    /// The type in which values are read: float16 is read as float32.
    public let type: PackedType
    /// Of content, scale and shift (as float32, which is how they are applied), and the kind of labels.
    public let attributes: UInt32
    /// Of all labels: classes as int32, vectors as float32, little-endian; 0 without labels.
    public let labels: UInt32
    /// Of the samples' digests (uint32, little-endian), each the CRC-32C of a sample's values as they are read: bytes, or
    /// float32, little-endian.
    public let pixels: UInt32

    public init(count: Int, imageShape: [Int], type: PackedType, attributes: UInt32, labels: UInt32, pixels: UInt32) {
        precondition(imageShape.count == 3, "an image is [C, H, W], not \(imageShape)")
        (self.count, self.imageShape, self.type) = (count, imageShape, type)
        (self.attributes, self.labels, self.pixels) = (attributes, labels, pixels)
    }

    /// What differs, as it follows the name of this data set and a colon; empty if they are equal.
    ///
    /// - Parameter recorded: the fingerprint that this one should equal.
    public func differences(from recorded: Self) -> [String] {
        var found: [String] = []
        if count != recorded.count {
            found.append("it has \(count.grouped) samples, the recorded one \(recorded.count.grouped)")
        }
        if imageShape != recorded.imageShape {
            found.append("its images are \(imageShape), the recorded ones \(recorded.imageShape)")
        }
        if type != recorded.type { found.append("its images are \(type), the recorded ones \(recorded.type)") }
        if attributes != recorded.attributes { found.append("content, scale, shift or the kind of labels differ") }
        // Of other samples, labels and pixels differ as a matter of course.
        guard count == recorded.count else { return found }
        if labels != recorded.labels { found.append("labels differ") }
        if imageShape == recorded.imageShape, type == recorded.type, pixels != recorded.pixels {
            found.append("pixels differ")
        }
        return found
    }
}

extension DatasetFingerprint: LosslessStringConvertible {
    public var description: String {
        "\(count) samples \(imageShape) \(type); attributes \(attributes.hex), labels \(labels.hex), pixels \(pixels.hex)"
    }

    /// Parses what `description` wrote; nil for any other text.
    public init?(_ text: String) {
        let form =
            /([0-9]+) samples \[([0-9]+), ([0-9]+), ([0-9]+)\] ([a-z0-9]+); attributes (\S{8}), labels (\S{8}), pixels (\S{8})/
        guard let match = text.wholeMatch(of: form), let count = Int(match.1), let channels = Int(match.2),
            let height = Int(match.3), let width = Int(match.4), let type = PackedType(rawValue: String(match.5)),
            let attributes = UInt32(match.6, radix: 16), let labels = UInt32(match.7, radix: 16),
            let pixels = UInt32(match.8, radix: 16)
        else { return nil }
        self.init(
            count: count, imageShape: [channels, height, width], type: type, attributes: attributes, labels: labels,
            pixels: pixels)
        // One text for one fingerprint: no leading zeros, no capitals.
        if description != text { return nil }
    }
}

extension DatasetFingerprint: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let parsed = Self(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(text)\" is no fingerprint of a data set")
        }
        self = parsed
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension DatasetAttributes {
    /// Of what decides what a model sees. Names, source and licence may be mended at any time.
    func fingerprint(_ labels: DatasetLabels) -> UInt32 {
        let scale = Float(scale).bitPattern.hex
        let shift = Float(shift).bitPattern.hex
        var text = "content \(content), scale \(scale), shift \(shift), labels \(labels)"
        if let latents {
            text += ", latents \(Float(latents.scale).bitPattern.hex) \(Float(latents.shift).bitPattern.hex)"
        }
        return Array(text.utf8).withUnsafeBytes { CRC32C.of($0) }
    }
}
