extension ByteImage {
    /// Reads a PNG or JPEG file, told apart by its content, turned as its EXIF says. Grey or RGB, with the values that
    /// Pillow's `convert("RGB")` gives: opacity, gamma and colour profiles are left out, and of 16 bits the upper 8 are
    /// kept (of grey images of 16 bits too, which Pillow may clip instead).
    ///
    /// Any thread may call it.
    ///
    /// - Throws: ``StorageError``, `.missing` if there is none, `.malformed` if it is damaged, no file, neither PNG
    ///   nor JPEG, or larger than 2^28 pixels.
    public static func read(_ path: String) throws -> ByteImage {
        let bytes = try Files.readRegular(path)
        return try bytes.withUnsafeBufferPointer { bytes in
            let isPNG = bytes.starts(with: [0x89, 0x50, 0x4E, 0x47])
            guard isPNG || bytes.starts(with: [0xFF, 0xD8]) else {
                throw StorageError(
                    .malformed, path,
                    bytes.isEmpty
                        ? "is empty; copy it anew"
                        : "is neither a PNG nor a JPEG image by its first bytes; convert it, or move it elsewhere")
            }
            let image = try isPNG ? decodePNG(bytes, path) : decodeJPEG(bytes, path)
            return image.turned(Orientation(file: bytes, isPNG: isPNG))
        }
    }
}
