/// Lines of a small text file, of which the last vouches for those before it.
public enum SealedText {
    private static let seal = "these lines: CRC-32C "

    /// The file's text.
    ///
    /// - Parameter lines: each without its end.
    public static func text(_ lines: [String]) -> String {
        let sealed = lines.map { "\($0)\n" }.joined()
        return "\(sealed)\(seal)\(crc(sealed).hex)\n"
    }

    /// The lines that were sealed; nil for anything but the very bytes that `text` makes.
    public static func lines(of bytes: [UInt8]) -> [String]? {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 2 else { return nil }
        let sealed = lines.dropLast(2).map(String.init)
        return Array(text(sealed).utf8) == bytes ? sealed : nil
    }

    private static func crc(_ text: String) -> UInt32 { Array(text.utf8).withUnsafeBytes { CRC32C.of($0) } }
}
