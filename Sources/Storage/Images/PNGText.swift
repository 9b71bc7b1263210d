/// Texts in a PNG file, by keyword: what made the picture, say. Pillow shows them as `Image.text`.
///
/// Chunks `tEXt` for what Latin-1 can say, `iTXt` in UTF-8 for the rest (PNG specification, third edition, 11.3.3).
public enum PNGText {
    /// Every PNG file begins with these (5.2).
    private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// The bytes of a PNG file with texts put right behind its header, in the order of their keywords.
    ///
    /// - Parameters:
    ///   - texts: keywords are 1 to 79 printable ASCII characters.
    ///   - png: begins with the signature and the chunk `IHDR`, as every encoder has it.
    static func insert(_ texts: [String: String], into png: [UInt8]) -> [UInt8] {
        guard !texts.isEmpty else { return png }
        // Length, name, 13 bytes and checksum of IHDR.
        let head = signature.count + 25
        precondition(png.count > head && png.starts(with: signature), "not the bytes of a PNG file")
        let chunks = texts.sorted { $0.key < $1.key }.flatMap { chunk($0.key, $0.value) }
        return png[..<head] + chunks + png[head...]
    }

    private static func chunk(_ keyword: String, _ text: String) -> [UInt8] {
        precondition(
            1...79 ~= keyword.utf8.count && keyword.utf8.allSatisfy { 0x20...0x7E ~= $0 }, "keyword \(keyword)")
        let latin = text.unicodeScalars.map { UInt8(exactly: $0.value) ?? 0 }
        if !latin.contains(0) { return chunk("tEXt", Array(keyword.utf8) + [0] + latin) }
        // Not compressed, no language, no translated keyword.
        return chunk("iTXt", Array(keyword.utf8) + [0, 0, 0, 0, 0] + Array(text.utf8.filter { $0 != 0 }))
    }

    private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(name.utf8) + data
        return bigEndian(UInt32(data.count)) + body + bigEndian(crc(body))
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> (24 - 8 * $0) & 255) } }

    /// The CRC-32 of PNG chunks (annex D), bit by bit: texts are short.
    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { crc, byte in
            (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc & 1 == 1 ? 0xEDB8_8320 ^ crc >> 1 : crc >> 1 }
        }
    }

    /// The texts that stand in a PNG file before its pixels; those that are compressed are left out.
    ///
    /// - Throws: ``StorageError``, `.missing` if there is no file, `.malformed` if it is no PNG file or is damaged there.
    public static func read(_ path: String) throws -> [String: String] {
        let bytes = try Files.read(path)
        func malformed() -> StorageError { StorageError(.malformed, path, "not a PNG image, or damaged") }
        guard bytes.starts(with: signature) else { throw malformed() }
        var texts: [String: String] = [:]
        var start = signature.count
        while start + 12 <= bytes.count {
            let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= bytes.count - start - 12 else { throw malformed() }
            let body = Array(bytes[start + 4..<start + 8 + length])
            guard bigEndian(crc(body)) == Array(bytes[start + 8 + length..<start + 12 + length]) else {
                throw malformed()
            }
            switch String(decoding: body.prefix(4), as: UTF8.self) {
            case "IDAT": return texts
            case "tEXt":
                let parts = body.dropFirst(4).split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2 else { throw malformed() }
                let text = String(String.UnicodeScalarView(parts[1].map { Unicode.Scalar($0) }))
                texts[String(decoding: parts[0], as: UTF8.self)] = text
            case "iTXt":
                let parts = body.dropFirst(4).split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, let isCompressed = parts[1].first else { throw malformed() }
                guard isCompressed == 0 else { break }
                // Behind the flag and the method: language, translated keyword, text.
                let rest = parts[1].dropFirst(2).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
                guard rest.count == 3 else { throw malformed() }
                texts[String(decoding: parts[0], as: UTF8.self)] = String(decoding: rest[2], as: UTF8.self)
            default: break
            }
            start += 12 + length
        }
        throw malformed()
    }
}
