import Storage

/// `COMMIT`: the last file of a checkpoint to be written. Its lines vouch for `checkpoint.h5`, as that does for the
/// rank files, and the last one for those before it. The first and the last are for all versions to come.
enum CheckpointCommit {
    private static let title = "fpdm checkpoint, format "

    static func text(_ digest: CheckpointDigest, format: Int = CheckpointIndex.formatVersion) -> String {
        SealedText.text(["\(title)\(format)", "\(digest)"])
    }

    /// Reads the file; anything but the very bytes that `text` makes is damage.
    static func read(in folder: String) throws -> CheckpointDigest {
        let path = "\(folder)/\(CheckpointNames.commit)"
        guard try Files.exists(path) else {
            throw CheckpointError(.damaged, path, "is missing: this checkpoint was never finished, or copied in part")
        }
        let damage = CheckpointError(.damaged, path, "is not as it was written; restore the checkpoint from a copy")
        let bytes = try CheckpointError.translating { try Files.readRegular(path, most: 1 << 12) }
        guard let lines = SealedText.lines(of: bytes), let first = lines.first, first.hasPrefix(title),
            let format = Int(first.dropFirst(title.count)), format > 0
        else { throw damage }
        if format > CheckpointIndex.formatVersion { throw CheckpointIndex.tooNew(format, path) }
        guard lines.count == 2, let digest = CheckpointDigest(lines[1]), digest.name == CheckpointNames.index,
            Array(text(digest, format: format).utf8) == bytes
        else { throw damage }
        return digest
    }
}
