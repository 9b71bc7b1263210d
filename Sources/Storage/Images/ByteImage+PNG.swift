import CPNG

extension ByteImage {
    /// Writes a PNG file whole or not at all, in place of one of that name.
    ///
    /// - Parameter texts: stand in the file, by keyword; see ``PNGText``.
    /// - Throws: ``StorageError`` if the file cannot be written.
    public func write(to path: String, texts: [String: String] = [:]) throws {
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
        try AtomicFile.write(PNGText.insert(texts, into: Array(bytes.prefix(Int(size)))), to: path)
    }

    private static func message(_ image: inout png_image) -> String { String(cString: fpdm_png_message(&image)) }

    /// Decodes a PNG file: grey or RGB, as it is stored. Palettes and fewer bits become 8 bits, of 16 bits the upper 8 are
    /// kept, and opacity is left out, as Pillow's `convert("RGB")` does; gamma and colour profiles are not applied.
    ///
    /// - Parameter path: the file's name in errors.
    /// - Throws: ``StorageError``, `.malformed` if it is damaged.
    static func decodePNG(_ bytes: UnsafeBufferPointer<UInt8>, _ path: String) throws -> ByteImage {
        var file = fpdm_png_file()
        (file.bytes, file.count) = (bytes.baseAddress, bytes.count)
        func decode(_ pixels: UnsafeMutablePointer<UInt8>?) throws {
            guard fpdm_png_read(&file, pixels) == 0 else { return }
            let reason = withUnsafePointer(to: &file) { String(cString: fpdm_png_file_message($0)) }
            throw StorageError(.malformed, path, "is a damaged PNG image: copy or make it anew (libpng: \(reason))")
        }
        try decode(nil)
        let (width, height) = (Int(file.width), Int(file.height))
        guard width * height <= mostPixels else { throw tooManyPixels(width, height, path) }
        let channels = file.is_colour != 0 ? 3 : 1
        var pixels = [UInt8](repeating: 0, count: width * height * channels)
        try pixels.withUnsafeMutableBufferPointer { try decode($0.baseAddress) }
        return ByteImage(width: width, height: height, channels: channels, pixels: pixels)
    }

    static func tooManyPixels(_ width: Int, _ height: Int, _ path: String) -> StorageError {
        StorageError(.malformed, path, "\(width) x \(height) pixels are more than this program reads; make it smaller")
    }
}
