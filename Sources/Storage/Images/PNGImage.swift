import CPNG

/// An image of 8 bits a channel, grey or sRGB, and its PNG file.
public struct PNGImage: Equatable, Sendable {
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

    /// Writes a PNG file whole or not at all, in place of one of that name.
    ///
    /// - Throws: ``StorageError`` if the file cannot be written.
    public func write(to path: String) throws {
        var image = fpdm_png_image()
        guard let columns = UInt32(exactly: width), let rows = UInt32(exactly: height),
            let stride = Int32(exactly: width * channels)
        else { throw StorageError(.malformed, path, "\(width) x \(height) pixels are more than a PNG file holds") }
        image.width = columns
        image.height = rows
        image.format = channels == 3 ? fpdm_png_rgb : fpdm_png_gray
        defer { png_image_free(&image) }
        var size: png_alloc_size_t = 0
        guard png_image_write_to_memory(&image, nil, &size, 0, pixels, stride, nil) != 0 else {
            throw StorageError(.library, path, "cannot encode the image: libpng: \(Self.message(&image))")
        }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        guard png_image_write_to_memory(&image, &bytes, &size, 0, pixels, stride, nil) != 0 else {
            throw StorageError(.library, path, "cannot encode the image: libpng: \(Self.message(&image))")
        }
        try AtomicFile.write(Array(bytes.prefix(Int(size))), to: path)
    }

    /// Reads a PNG file of any kind as 8-bit grey or sRGB; transparent parts are laid on black.
    ///
    /// - Throws: ``StorageError``, `.missing` if there is none, `.malformed` if it is damaged or not PNG.
    public static func read(_ path: String) throws -> PNGImage {
        let bytes = try Files.read(path)
        var image = fpdm_png_image()
        defer { png_image_free(&image) }
        func damaged() -> StorageError {
            StorageError(.malformed, path, "not a PNG image, or damaged: libpng: \(message(&image))")
        }
        return try bytes.withUnsafeBytes { bytes in
            guard png_image_begin_read_from_memory(&image, bytes.baseAddress, bytes.count) != 0 else { throw damaged() }
            let channels = Int(fpdm_png_channels(&image))
            image.format = channels == 3 ? fpdm_png_rgb : fpdm_png_gray
            let width = Int(image.width)
            let height = Int(image.height)
            // Before a damaged header makes us ask for more memory than there is.
            guard width * height <= 1 << 28, let stride = Int32(exactly: width * channels) else {
                throw StorageError(.malformed, path, "\(width) x \(height) pixels are more than this program reads")
            }
            var background = png_color(red: 0, green: 0, blue: 0)
            var pixels = [UInt8](repeating: 0, count: width * height * channels)
            guard png_image_finish_read(&image, &background, &pixels, stride, nil) != 0 else { throw damaged() }
            return PNGImage(width: width, height: height, channels: channels, pixels: pixels)
        }
    }

    private static func message(_ image: inout png_image) -> String { String(cString: fpdm_png_message(&image)) }
}
