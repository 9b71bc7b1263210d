import Storage

/// `COMMIT`: the last file of a checkpoint to be written. Its lines vouch for `checkpoint.h5`, as that does for the
/// rank files, and the last one for those before it. The first and the last are for all versions to come.
enum CheckpointCommit {
    private static let title = "fpdm checkpoint, format "
    private static let seal = "these lines: CRC-32C "

    static func text(_ digest: CheckpointDigest, format: Int = CheckpointIndex.formatVersion) -> String {
        let lines = "\(title)\(format)\n\(digest)\n"
        return "\(lines)\(seal)\(crc(lines).hex)\n"
    }

    /// Reads the file; anything but the very bytes that `text` makes is damage.
    static func read(in folder: String) throws -> CheckpointDigest {
        let path = "\(folder)/\(CheckpointNames.commit)"
        guard try Files.exists(path) else {
            throw CheckpointError(.damaged, path, "is missing: this checkpoint was never finished, or copied in part")
        }
        let damage = CheckpointError(.damaged, path, "is not as it was written; restore the checkpoint from a copy")
        let text = String(decoding: try CheckpointError.translating { try Files.readRegular(path) }, as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 3, lines[lines.count - 1].isEmpty else { throw damage }
        let sealed = lines.dropLast(2).map { "\($0)\n" }.joined()
        guard lines[lines.count - 2] == seal + crc(sealed).hex, lines[0].hasPrefix(title),
            let format = Int(lines[0].dropFirst(title.count))
        else { throw damage }
        if format > CheckpointIndex.formatVersion { throw CheckpointIndex.tooNew(format, path) }
        guard let digest = CheckpointDigest(String(lines[1])), digest.name == CheckpointNames.index,
            Self.text(digest, format: format).utf8.elementsEqual(text.utf8)
        else { throw damage }
        return digest
    }

    private static func crc(_ text: String) -> UInt32 { Array(text.utf8).withUnsafeBytes { CRC32C.of($0) } }
}
