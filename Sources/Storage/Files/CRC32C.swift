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
            let whole = bytes.count / (3 * Self.part)
            for triple in 0..<whole { takeThree(base + 3 * triple * Self.part) }
            let done = 3 * whole * Self.part
            state = fpdm_crc32c(state, base + done, bytes.count - done)
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

    /// Bytes of each of three parts that are taken at once.
    static let part = 16 << 10
    private static let partPower = power(part)

    private mutating func takeThree(_ bytes: UnsafeRawPointer) {
        // A state is a checksum's complement: as with checksums, the last part's counts as it is, where it began with zero.
        var states: (UInt32, UInt32, UInt32) = (state, 0, 0)
        withUnsafeMutablePointer(to: &states) {
            $0.withMemoryRebound(to: UInt32.self, capacity: 3) { fpdm_crc32c_of_three($0, bytes, Self.part) }
        }
        let two = Self.product(Self.partPower, states.0) ^ states.1
        state = Self.product(Self.partPower, two) ^ states.2
    }

    /// The checksum of bytes in memory.
    public static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var crc = CRC32C()
        crc.update(bytes)
        return crc.value
    }

    /// The checksum of a regular file's bytes, or of some of them.
    ///
    /// - Parameter bytes: up to the file's end unless told.
    /// - Throws: ``StorageError`` if the file is missing, cannot be read, or ends before these bytes do.
    public static func of(file path: String, bytes: Range<Int>? = nil) throws -> UInt32 {
        let file = try OpenFile(regular: path)
        let bytes = try bytes ?? 0..<file.size()
        let piece = 1 << 20
        var crc = CRC32C()
        try withUnsafeTemporaryAllocation(byteCount: piece, alignment: 16) { buffer in
            for start in stride(from: bytes.lowerBound, to: bytes.upperBound, by: piece) {
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(piece, bytes.upperBound - start)])
                try file.read(into: part, at: start)
                crc.update(UnsafeRawBufferPointer(part))
            }
        }
        return crc.value
    }

    /// Bit 31 stands for 1, bit 0 for x^31; x^32 is left out.
    private static let reflectedPolynomial: UInt32 = 0x82F6_3B78

    /// Table 0 is the bytewise one; table k + 1 advances table k by a zero byte.
    private static let tables: [UInt32] = {
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

/// Checksums of parts, put together.
extension CRC32C {
    /// The checksum of bytes of which two parts, one behind the other, have these checksums.
    ///
    /// Checksums are polynomials over GF(2), modulo that of the code: bytes that follow multiply what is before them by
    /// x^8 each. (As the matrices of 32 x 32 bits that zlib once used for it, in fewer steps.)
    ///
    /// - Parameter count: bytes of the second part.
    public static func combine(_ first: UInt32, _ second: UInt32, count: Int) -> UInt32 {
        precondition(count >= 0, "\(count) bytes")
        return product(power(count), first) ^ second
    }

    /// x^(8 count), by squaring.
    private static func power(_ count: Int) -> UInt32 {
        var power: UInt32 = 1 << 31
        var square: UInt32 = 1 << (31 - 8)
        var rest = count
        while rest > 0 {
            if rest & 1 == 1 { power = product(power, square) }
            square = product(square, square)
            rest >>= 1
        }
        return power
    }

    /// Of two polynomials, modulo that of the code.
    private static func product(_ a: UInt32, _ b: UInt32) -> UInt32 {
        var (result, term): (UInt32, UInt32) = (0, b)
        for bit in 0..<32 {
            if a << bit & 1 << 31 != 0 { result ^= term }
            term = term >> 1 ^ (term & 1 == 1 ? reflectedPolynomial : 0)
        }
        return result
    }
}

extension UInt32 {
    /// Eight hexadecimal digits, as checksums are written.
    public var hex: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
