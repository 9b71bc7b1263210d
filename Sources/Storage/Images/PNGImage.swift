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

    /// Reads a PNG file of up to 8 bits a channel. Values are those that are stored, as Pillow reads them: gamma and
    /// colour profiles are not applied.
    ///
    /// - Throws: ``StorageError``, `.missing` if there is none, `.malformed` if it is damaged, not PNG, of 16 bits, or
    ///   transparent anywhere: which colours are meant there is not for this program to say.
    public static func read(_ path: String) throws -> PNGImage {
        let bytes = try Files.read(path)
        return try bytes.withUnsafeBufferPointer { bytes in
            var file = fpdm_png_file()
            (file.bytes, file.count) = (bytes.baseAddress, bytes.count)
            func decode(_ pixels: UnsafeMutablePointer<UInt8>?) throws {
                guard fpdm_png_read(&file, pixels) == 0 else { return }
                let reason = withUnsafePointer(to: &file) { String(cString: fpdm_png_file_message($0)) }
                throw StorageError(.malformed, path, "not a PNG image, or damaged: libpng: \(reason)")
            }
            try decode(nil)
            guard file.bits <= 8 else {
                throw StorageError(
                    .malformed, path,
                    "has \(file.bits) bits a channel, of which 8 would be lost; make it one of 8 bits, as with "
                        + "ImageMagick's `mogrify -depth 8`")
            }
            let (width, height) = (Int(file.width), Int(file.height))
            // Before a damaged header makes us ask for more memory than there is.
            guard width * height <= 1 << 28 else {
                throw StorageError(.malformed, path, "\(width) x \(height) pixels are more than this program reads")
            }
            let channels = file.is_colour != 0 ? 3 : 1
            var stored = [UInt8](repeating: 0, count: width * height * (channels + 1))
            try stored.withUnsafeMutableBufferPointer { try decode($0.baseAddress) }
            var pixels = [UInt8](repeating: 0, count: width * height * channels)
            for pixel in 0..<width * height {
                let place = pixel * (channels + 1)
                guard stored[place + channels] == 255 else {
                    throw StorageError(
                        .malformed, path,
                        "is transparent in places, as at row \(pixel / width), column \(pixel % width); lay it on a "
                            + "background, as with ImageMagick's `mogrify -background white -alpha remove -alpha off`")
                }
                for channel in 0..<channels { pixels[pixel * channels + channel] = stored[place + channel] }
            }
            return PNGImage(width: width, height: height, channels: channels, pixels: pixels)
        }
    }

    private static func message(_ image: inout png_image) -> String { String(cString: fpdm_png_message(&image)) }
}
