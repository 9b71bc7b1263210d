/// The checksum that HDF5 keeps behind a chunk (filter 3): Fletcher's sums of 16-bit words, modulo 65,535
/// (Fletcher, "An arithmetic checksum for serial transmissions", IEEE Trans. Communications, 1982).
enum Fletcher32 {
    /// Whether stored bytes end with the checksum of those before.
    ///
    /// - Parameter stored: an even number of bytes, and four of the checksum.
    static func holds(_ stored: UnsafeRawBufferPointer) -> Bool {
        let count = stored.count - 4
        guard count >= 0, count % 2 == 0 else { return false }
        let packed = UInt32(littleEndian: stored.loadUnaligned(fromByteOffset: count, as: UInt32.self))
        let (first, second) = sums(UnsafeRawBufferPointer(rebasing: stored[..<count]))
        // 0 and 65,535 are the same sum.
        return first == UInt64(packed & 0xFFFF) % 65_535 && second == UInt64(packed >> 16) % 65_535
    }

    private static func sums(_ bytes: UnsafeRawBufferPointer) -> (UInt64, UInt64) {
        var (first, second): (UInt64, UInt64) = (0, 0)
        var start = 0
        while start < bytes.count {
            // Of so many words neither sum reaches 2^63.
            let end = min(start + 1 << 20, bytes.count)
            for offset in stride(from: start, to: end, by: 2) {
                first &+= UInt64(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
                second &+= first
            }
            (first, second) = (first % 65_535, second % 65_535)
            start = end
        }
        return (first, second)
    }
}
