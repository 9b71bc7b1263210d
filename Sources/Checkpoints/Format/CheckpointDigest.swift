import Storage

/// A file's length and checksum, found before HDF5 may open the file.
///
/// Its `description` is one line, as `COMMIT` has it and as a rank sends it to another; `init(_:)` reads it.
public struct CheckpointDigest: Codable, Equatable, LosslessStringConvertible, Sendable {
    /// The file's name in the checkpoint's folder.
    let name: String
    /// Bytes.
    let size: Int
    /// CRC-32C of all bytes.
    let crc: UInt32

    init(name: String, size: Int, crc: UInt32) {
        self.name = name
        self.size = size
        self.crc = crc
    }

    /// `rank-00000-of-00002.h5: 4096 bytes, CRC-32C 0f3a9c11`
    public var description: String { "\(name): \(size) bytes, CRC-32C \(crc.hex)" }

    /// Nil for any text but a `description`.
    public init?(_ description: String) {
        let words = description.split(separator: " ")
        guard words.count == 5, words[0].last == ":", let size = Int(words[1]), let crc = UInt32(words[4], radix: 16)
        else { return nil }
        self.init(name: String(words[0].dropLast()), size: size, crc: crc)
        guard self.description.utf8.elementsEqual(description.utf8) else { return nil }
    }

    /// Of a file as it is.
    init(of name: String, in folder: String) throws {
        self.name = name
        size = try Files.size(of: "\(folder)/\(name)")
        crc = try CRC32C.of(file: "\(folder)/\(name)")
    }

    /// Compares a file with this.
    ///
    /// - Throws: ``CheckpointError``, `.damaged`, if it is missing or differs; `StorageError` if it cannot be read.
    func check(in folder: String) throws { try require(crc(of: 0..<size, in: folder), in: folder) }

    /// The checksum of some of a file's bytes, once its length is found to be right.
    ///
    /// - Throws: as ``check(in:)``.
    func crc(of bytes: Range<Int>, in folder: String) throws -> UInt32 {
        let path = "\(folder)/\(name)"
        return try CheckpointError.translating {
            let found = try Files.size(of: path)
            guard found == size else {
                throw CheckpointError(
                    .damaged, path, "has \(found) bytes where \(size) were written; restore it from a copy")
            }
            return try CRC32C.of(file: path, bytes: bytes)
        }
    }

    /// - Parameter found: of all bytes of the file.
    /// - Throws: ``CheckpointError``, `.damaged`, if it is another.
    func require(_ found: UInt32, in folder: String) throws {
        guard found != crc else { return }
        throw CheckpointError(
            .damaged, "\(folder)/\(name)",
            "its bytes have changed since they were written (CRC-32C \(found.hex), was \(crc.hex)); "
                + "restore it from a copy")
    }
}
