/// An image of 8 bits a channel, grey or sRGB.
public struct ByteImage: Equatable, Sendable {
    /// In pixels.
    public let width: Int
    public let height: Int
    /// 1 (grey) or 3 (red, green, blue).
    public let channels: Int
    /// [height, width, channels], the top row first.
    public var pixels: [UInt8]

    public init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0, "an image has at least one pixel, not \(width) x \(height)")
        precondition(channels == 1 || channels == 3, "an image has 1 or 3 channels, not \(channels)")
        precondition(
            pixels.count == width * height * channels, "\(pixels.count) bytes for [\(height), \(width), \(channels)]")
        self.width = width
        self.height = height
        self.channels = channels
        self.pixels = pixels
    }

    /// The most pixels of a file that is read: beyond, a damaged header would make us ask for more memory than there is.
    static let mostPixels = 1 << 28
}

extension ByteImage {
    /// In grey: ITU-R BT.601's luma of the stored values, in 16 bits of fixed point and rounded, as Pillow's
    /// `convert("L")` has it.
    public var grey: ByteImage {
        guard channels == 3 else { return self }
        let values = (0..<width * height).map { pixel in
            let red = UInt32(pixels[3 * pixel]) * 19_595
            let green = UInt32(pixels[3 * pixel + 1]) * 38_470
            let blue = UInt32(pixels[3 * pixel + 2]) * 7_471
            return UInt8(truncatingIfNeeded: (red + green + blue + 0x8000) >> 16)
        }
        return ByteImage(width: width, height: height, channels: 1, pixels: values)
    }

    /// [channels, height, width] with `channels` planes: grey is equal amounts of red, green and blue.
    ///
    /// - Precondition: an image of colours has no fewer planes than channels.
    public func planes(_ count: Int) -> [UInt8] {
        precondition(count >= channels, "\(channels) channels in \(count) planes")
        let plane = width * height
        return [UInt8](unsafeUninitializedCapacity: count * plane) { planes, filled in
            pixels.withUnsafeBufferPointer { pixels in
                for channel in 0..<count {
                    let from = min(channel, channels - 1)
                    for pixel in 0..<plane { planes[channel * plane + pixel] = pixels[pixel * channels + from] }
                }
            }
            filled = count * plane
        }
    }
}
