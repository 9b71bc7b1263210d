import CJPEG

extension ByteImage {
    /// Decodes a JPEG file, with libjpeg-turbo: baseline or progressive, grey, YCbCr, RGB, CMYK or YCCK. Colour profiles
    /// are not applied.
    ///
    /// - Parameter path: the file's name in errors.
    /// - Throws: ``StorageError``, `.malformed` if it is damaged, also where a viewer would make up what is missing.
    static func decodeJPEG(_ bytes: UnsafeBufferPointer<UInt8>, _ path: String) throws -> ByteImage {
        var file = fpdm_jpeg_file()
        (file.bytes, file.count) = (bytes.baseAddress, bytes.count)
        func decode(_ pixels: UnsafeMutablePointer<UInt8>?) throws {
            guard fpdm_jpeg_read(&file, pixels) == 0 else { return }
            let reason = withUnsafePointer(to: &file) { String(cString: fpdm_jpeg_file_message($0)) }
            throw StorageError(
                .malformed, path, "is a damaged JPEG image: copy or make it anew (libjpeg: \(reason))")
        }
        try decode(nil)
        let (width, height, channels) = (Int(file.width), Int(file.height), Int(file.channels))
        guard width * height <= mostPixels else { throw tooManyPixels(width, height, path) }
        var pixels = [UInt8](repeating: 0, count: width * height * channels)
        try pixels.withUnsafeMutableBufferPointer { try decode($0.baseAddress) }
        if channels == 4 { pixels = colours(ofInverseInks: pixels) }
        return ByteImage(width: width, height: height, channels: min(channels, 3), pixels: pixels)
    }

    /// Red, green and blue of cyan, magenta, yellow and black, each stored as 255 less its ink: a colour is white less
    /// black, less the share of its ink in that (Pillow's conversion; no profile).
    private static func colours(ofInverseInks stored: [UInt8]) -> [UInt8] {
        let count = stored.count / 4
        return [UInt8](unsafeUninitializedCapacity: 3 * count) { colours, filled in
            for pixel in 0..<count {
                let white = Int(stored[4 * pixel + 3])
                for channel in 0..<3 {
                    let ink = 255 - Int(stored[4 * pixel + channel])
                    // ink * white / 255, rounded, without a division.
                    let product = ink * white + 128
                    let share = ((product >> 8) + product) >> 8
                    colours[3 * pixel + channel] = UInt8(max(white - share, 0))
                }
            }
            filled = 3 * count
        }
    }
}
