import Storage

/// What the numbers of an array stand for: what is asked for, and what is guessed where nothing is.
public struct ArrayMeaning: Equatable, Sendable {
    /// In which order an image's dimensions come.
    public enum Order: String, CaseIterable, Sendable {
        /// [C, H, W], as PyTorch has them.
        case channelsFirst = "channels-first"
        /// [H, W, C], as pictures are stored.
        case channelsLast = "channels-last"
    }

    /// `pixels`, `latents` or `moments`; nil: pixels where numbers are bytes or their range is told, latents where images
    /// have neither 1 nor 3 channels.
    public var content: String?
    /// Of pixels: the values that become -1 and 1; others beyond it are refused. Nil: 0 to 255 for bytes.
    public var valueRange: ClosedRange<Double>?
    /// Of latents: what a stored value is multiplied by for a model to see it; nil: 1. Of moments, which have to be told
    /// it: what a latent is multiplied by that is drawn of them.
    public var scale: Double?
    /// Nil: by the shape.
    public var order: Order?
    /// H and W, to which the square in the middle of images of bytes is scaled; nil: as they are.
    public var side: Int?
    /// What the classes are called, by number.
    public var labelNames: [String]?

    public init(
        content: String? = nil, valueRange: ClosedRange<Double>? = nil, scale: Double? = nil, order: Order? = nil,
        side: Int? = nil, labelNames: [String]? = nil
    ) {
        (self.content, self.valueRange, self.scale) = (content, valueRange, scale)
        (self.order, self.side, self.labelNames) = (order, side, labelNames)
    }
}

/// How images lie in an array: settled.
struct ArrayImages: Sendable {
    let channels: Int
    let height: Int
    let width: Int
    /// H and W of the samples.
    let side: Int
    let isChannelsLast: Bool
    let type: PackedType
    let content: String
    let scaling: (scale: Double, shift: Double)
    /// Of latents that are drawn from moments.
    let latents: LatentScaling?
    /// What values may be.
    private let range: ClosedRange<Double>?

    /// - Parameters:
    ///   - shape: of one image: [C, H, W], [H, W, C] or [H, W].
    ///   - path: for errors.
    /// - Throws: ``DatasetError`` if it is no image, or what it means has to be told.
    init(_ shape: [Int], isByte: Bool, _ meaning: ArrayMeaning, _ path: String) throws {
        guard shape.count == 2 || shape.count == 3, shape.allSatisfy({ $0 > 0 }) else {
            throw DatasetError(
                .malformed, path,
                "has samples of shape \(shape), which are no images: [C, H, W], [H, W, C] or [H, W] are wanted")
        }
        let order = shape.count == 2 ? .channelsFirst : try meaning.order ?? Self.order(shape, path)
        isChannelsLast = order == .channelsLast
        let sizes = shape.count == 2 ? [1] + shape : isChannelsLast ? [shape[2], shape[0], shape[1]] : shape
        (channels, height, width) = (sizes[0], sizes[1], sizes[2])
        side = meaning.side ?? height
        type = isByte ? .uint8 : .float32
        guard height == width && height == side || (isByte && meaning.side != nil && [1, 3].contains(channels)) else {
            throw DatasetError(
                .malformed, path,
                "holds images of \(height) x \(width) in \(channels) channels"
                    + (meaning.side == nil
                        ? ", not squares; --side cuts and scales bytes of 1 or 3 channels"
                        : "; only bytes of 1 or 3 channels are cut and scaled to --side"))
        }
        let isPixels = isByte || meaning.valueRange != nil
        if meaning.content == nil, !isPixels, channels == 1 || channels == 3 {
            throw DatasetError(
                .usage, path,
                "holds numbers that are no bytes: give --value-range, the values to be seen as -1 and 1, or --content "
                    + "latents")
        }
        content = meaning.content ?? (isPixels ? "pixels" : "latents")
        if content == "pixels" {
            guard let range = meaning.valueRange ?? (isByte ? 0...255 : nil) else {
                throw DatasetError(.usage, path, "holds no bytes: pixels need --value-range")
            }
            if meaning.scale != nil {
                throw DatasetError(.usage, path, "holds pixels, which --value-range scales; --scale is for latents")
            }
            scaling = DatasetAttributes.scaling(from: range)
            latents = nil
            self.range = range
        } else {
            if meaning.valueRange != nil {
                throw DatasetError(.usage, path, "holds \(content), which --scale scales; --value-range is for pixels")
            }
            if content == "moments" {
                guard let scale = meaning.scale else {
                    throw DatasetError(
                        .usage, path,
                        "holds moments: give --scale, what latents are multiplied by that are drawn of them, as the "
                            + "autoencoder's config.json has it (0.18215 for Stable Diffusion's)")
                }
                latents = LatentScaling(scale: scale, shift: 0, autoencoder: nil)
                scaling = (1, 0)
            } else {
                latents = nil
                scaling = (meaning.scale ?? 1, 0)
            }
            range = nil
        }
    }

    /// What the shape tells: equal lengths are height and width.
    private static func order(_ shape: [Int], _ path: String) throws -> ArrayMeaning.Order {
        let isFirst = shape[1] == shape[2]
        let isLast = shape[0] == shape[1]
        if isFirst != isLast { return isFirst ? .channelsFirst : .channelsLast }
        // Neither is square, or all are equal: few channels tell.
        let few = [1, 3]
        if !isFirst, few.contains(shape[0]) != few.contains(shape[2]) {
            return few.contains(shape[0]) ? .channelsFirst : .channelsLast
        }
        throw DatasetError(
            .usage, path,
            "has samples of shape \(shape), of which any dimension may be the channels': give --order channels-first or "
                + "channels-last")
    }

    /// One sample from its values as they are stored.
    ///
    /// - Parameter place: of the sample, for errors.
    func bytes(_ stored: [UInt8], _ place: @autoclosure () -> String) throws -> PackedSample.Values {
        if let range, range.lowerBound > 0 || range.upperBound < 255 {
            for value in stored { try require(Double(value), range, place()) }
        }
        if height == side, width == side {
            return .bytes(isChannelsLast && channels > 1 ? planes(stored) : stored)
        }
        let interleaved = isChannelsLast || channels == 1 ? stored : pixels(stored)
        return .bytes(
            ByteImage(width: width, height: height, channels: channels, pixels: interleaved).centred(side: side)
                .planes(channels))
    }

    /// One sample from its values as they are stored.
    func floats(_ stored: [Float], _ place: @autoclosure () -> String) throws -> PackedSample.Values {
        if let range {
            for value in stored where value.isFinite { try require(Double(value), range, place()) }
        }
        return .floats(isChannelsLast && channels > 1 ? planes(stored) : stored)
    }

    private func require(_ value: Double, _ range: ClosedRange<Double>, _ place: String) throws {
        guard !range.contains(value) else { return }
        throw DatasetError(
            .malformed, place, "holds \(value), beyond \(range.lowerBound) to \(range.upperBound); see --value-range")
    }

    /// [H, W, C] as [C, H, W].
    private func planes<Value>(_ stored: [Value]) -> [Value] {
        (0..<channels).flatMap { channel in
            stride(from: channel, to: stored.count, by: channels).map { stored[$0] }
        }
    }

    /// [C, H, W] as [H, W, C].
    private func pixels(_ stored: [UInt8]) -> [UInt8] {
        let plane = height * width
        return (0..<plane).flatMap { pixel in (0..<channels).map { stored[$0 * plane + pixel] } }
    }
}
