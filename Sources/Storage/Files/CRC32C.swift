import CPlatform

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4): the checksum of checkpoint pieces, of files and of samples.
///
///     var crc = CRC32C()
///     crc.update(bytes)
///     crc.value   // of all bytes so far; going on is allowed
///
/// By the processor's own instruction; where it has none, eight tables take eight bytes a round.
public struct CRC32C: Sendable {
    private var state: UInt32 = ~0
    private let usesInstruction: Bool

    public init() { self.init(byInstruction: Self.hasInstruction) }

    /// For tests of both ways.
    init(byInstruction usesInstruction: Bool) { self.usesInstruction = usesInstruction }

    static let hasInstruction = fpdm_processor_has_crc32c() != 0

    /// The checksum of all bytes given so far.
    public var value: UInt32 { ~state }

    /// Takes further bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        if usesInstruction {
            state = fpdm_crc32c(state, base, bytes.count)
            return
        }
        state = Self.tables.withUnsafeBufferPointer { tables in
            var crc = state
            var offset = 0
            let rounds = bytes.count & ~7
            guard let table = tables.baseAddress else { return crc }
            while offset < rounds {
                let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                let low = UInt32(truncatingIfNeeded: word) ^ crc
                let high = UInt32(truncatingIfNeeded: word >> 32)
                // Table k advances a byte over k further zero bytes.
                let first = table[7 * 256 + Int(low & 255)] ^ table[6 * 256 + Int((low >> 8) & 255)]
                let second = table[5 * 256 + Int((low >> 16) & 255)] ^ table[4 * 256 + Int(low >> 24)]
                let third = table[3 * 256 + Int(high & 255)] ^ table[2 * 256 + Int((high >> 8) & 255)]
                let fourth = table[256 + Int((high >> 16) & 255)] ^ table[Int(high >> 24)]
                crc = first ^ second ^ third ^ fourth
                offset += 8
            }
            while offset < bytes.count {
                let byte = base.load(fromByteOffset: offset, as: UInt8.self)
                crc = (crc >> 8) ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)]
                offset += 1
            }
            return crc
        }
    }

    /// The checksum of bytes in memory.
    public static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var crc = CRC32C()
        crc.update(bytes)
        return crc.value
    }

    /// The checksum of a file's bytes.
    ///
    /// - Throws: ``StorageError`` if the file is missing or cannot be read.
    public static func of(file path: String) throws -> UInt32 {
        let file = try OpenFile(reading: path)
        var crc = CRC32C()
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 16) { buffer in
            while true {
                let count = try file.readSome(into: buffer)
                if count == 0 { break }
                crc.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
        return crc.value
    }

    /// Table 0 is the bytewise one; table k + 1 advances table k by a zero byte.
    private static let tables: [UInt32] = {
        let reflectedPolynomial: UInt32 = 0x82F6_3B78
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? reflectedPolynomial : 0) }
            tables[byte] = crc
        }
        for index in 256..<(8 * 256) {
            let shorter = tables[index - 256]
            tables[index] = (shorter >> 8) ^ tables[Int(shorter & 255)]
        }
        return tables
    }()
}

extension UInt32 {
    /// Eight hexadecimal digits, as checksums are written.
    public var hex: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
