import CZLIB

/// Deflated bytes, as files of gzip and members of zip files hold them (RFC 1951, RFC 1952).
public enum Gzip {
    /// Unpacks a gzip file: its members, one after the other, with their checksums.
    ///
    /// - Parameters:
    ///   - bytes: the file's.
    ///   - path: its name in errors.
    ///   - most: bytes that may come of it.
    /// - Throws: ``StorageError``, `.malformed` if it is damaged, not gzip, or more than `most` bytes.
    public static func unpack(_ bytes: [UInt8], _ path: String, most: Int = Files.memory) throws -> [UInt8] {
        try bytes.withUnsafeBufferPointer { bytes in
            var result: [UInt8] = []
            var rest = UnsafeBufferPointer(rebasing: bytes[...])
            repeat {
                let used = try inflate(rest, windowBits: 31, into: &result, most: most) { reason in
                    StorageError(
                        .malformed, path, "cannot be unpacked, for it is no sound gzip file: copy it anew (\(reason))")
                }
                rest = UnsafeBufferPointer(rebasing: rest[used...])
                // Zeros fill the last block of a tape.
            } while !rest.allSatisfy { $0 == 0 }
            return result
        }
    }

    /// Inflates one stream.
    ///
    /// - Parameters:
    ///   - windowBits: 31 for gzip, -15 for a bare stream, as zlib has them.
    ///   - result: takes the bytes, behind those that are there.
    ///   - error: made of what is wrong.
    /// - Returns: bytes of the stream.
    static func inflate(
        _ bytes: UnsafeBufferPointer<UInt8>, windowBits: Int32, into result: inout [UInt8], most: Int,
        error: (String) -> StorageError
    ) throws -> Int {
        var stream = z_stream()
        guard fpdm_inflate_begin(&stream, windowBits) == Z_OK else { throw error("zlib does not start") }
        defer { inflateEnd(&stream) }
        var used = 0
        return try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1 << 18) { room in
            while true {
                // zlib counts in 32 bits.
                let given = min(bytes.count - used, 1 << 30)
                stream.next_in = bytes.baseAddress.map { UnsafeMutablePointer(mutating: $0 + used) }
                stream.avail_in = UInt32(given)
                stream.next_out = room.baseAddress
                stream.avail_out = UInt32(room.count)
                let status = CZLIB.inflate(&stream, Z_NO_FLUSH)
                used += given - Int(stream.avail_in)
                let made = room.count - Int(stream.avail_out)
                guard made <= most - result.count else { throw error("it holds more than \(most) bytes") }
                result += room[..<made]
                switch status {
                case Z_STREAM_END: return used
                case Z_OK where made > 0 || given > Int(stream.avail_in): continue
                case Z_OK, Z_BUF_ERROR: throw error("it ends too early")
                default: throw error(stream.msg.map { String(cString: $0) } ?? "zlib: error \(status)")
                }
            }
        }
    }
}
