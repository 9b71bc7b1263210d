/// Samples laid out as one picture, in rows and columns.
public struct ImageGrid: Sendable {
    /// Pixels between images and around them.
    public var padding: Int
    /// Pixels that a value takes each way.
    public var zoom: Int
    /// The grey of padding and of empty places.
    public var background: UInt8

    public init(padding: Int = 2, zoom: Int = 1, background: UInt8 = 0) {
        precondition(padding >= 0 && zoom > 0, "padding \(padding), zoom \(zoom)")
        self.padding = padding
        self.zoom = zoom
        self.background = background
    }

    /// Lays out images.
    ///
    /// - Parameters:
    ///   - rows: from top to bottom, each with its images from left to right, as many as it likes; an image is
    ///     [channels, height, width] in [-1, 1]. Values beyond are clipped; NaN is black.
    ///   - channels: 1 (grey) or 3 (RGB).
    ///   - height: of an image, in values.
    ///   - width: of an image, in values.
    public func render(rows: [[[Float]]], channels: Int, height: Int, width: Int) -> ByteImage {
        precondition(channels == 1 || channels == 3, "a picture has 1 or 3 channels, not \(channels)")
        let columns = max(rows.map(\.count).max() ?? 0, 1)
        let cellWidth = width * zoom + padding
        let cellHeight = height * zoom + padding
        let totalWidth = columns * cellWidth + padding
        let totalHeight = max(rows.count, 1) * cellHeight + padding
        var pixels = [UInt8](repeating: background, count: totalWidth * totalHeight * channels)
        for (row, images) in rows.enumerated() {
            for (column, image) in images.enumerated() {
                precondition(image.count == channels * height * width, "image of \(image.count) values")
                let left = padding + column * cellWidth
                let top = padding + row * cellHeight
                for y in 0..<(height * zoom) {
                    for x in 0..<(width * zoom) {
                        let source = y / zoom * width + x / zoom
                        let target = ((top + y) * totalWidth + left + x) * channels
                        for channel in 0..<channels {
                            pixels[target + channel] = Self.byte(image[channel * height * width + source])
                        }
                    }
                }
            }
        }
        return ByteImage(width: totalWidth, height: totalHeight, channels: channels, pixels: pixels)
    }

    /// [-1, 1] to 0 ... 255, rounded to the nearest.
    static func byte(_ value: Float) -> UInt8 {
        guard value == value else { return 0 }
        return UInt8(min(max((value + 1) * 127.5, 0), 255).rounded())
    }
}
