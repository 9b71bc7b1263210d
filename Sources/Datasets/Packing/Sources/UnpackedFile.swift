import Storage

/// A file's bytes; one whose name ends in `.gz` is unpacked.
enum UnpackedFile {
    /// - Throws: `StorageError`, naming the file.
    static func read(_ path: String) throws -> [UInt8] {
        let bytes = try Files.read(path)
        return path.hasSuffix(".gz") ? try Gzip.unpack(bytes, path) : bytes
    }
}
