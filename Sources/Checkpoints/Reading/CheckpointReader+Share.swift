import Compute

/// A checkpoint gone through by several ranks, each a nearly equal share, whatever the number of files and pieces.
///
///     try reader.check(partsOfAllRanks { try reader.digestFiles(share: rank, of: ranks) })
///     try reader.check(partsOfAllRanks { try reader.digestPieces(share: rank, of: ranks) })
extension CheckpointReader {
    /// Reads a share of the bytes of all rank files.
    ///
    /// - Returns: their checksums.
    /// - Throws: ``CheckpointError``, `.damaged`, if a file is missing, is none or has another length; `StorageError` of
    ///   kind `.io` if the disk fails.
    public func digestFiles(share: Int, of count: Int) throws -> [CheckpointPart] {
        let own = Self.share(share, of: count, index.files.reduce(0) { $0 + $1.size })
        var end = 0
        return try index.files.enumerated().compactMap { number, file -> CheckpointPart? in
            let start = end
            end += file.size
            let part = own.clamped(to: start..<end)
            guard !part.isEmpty else { return nil }
            let bytes = part.lowerBound - start..<part.upperBound - start
            let crc = try CheckpointError.noticing(path) { try file.crc(of: bytes, in: path) }
            tally(bytes: bytes.count)
            return CheckpointPart(whole: .file(number), bytes: bytes, crc: crc, recorded: file.crc)
        }
    }

    /// Reads a share of all pieces' values, as HDF5 gives them, cut at rows: what was wrong before it came into the file
    /// shows here only. For files whose bytes have been checked.
    ///
    /// Takes 4 MiB of memory, or a row.
    ///
    /// - Returns: their checksums.
    /// - Throws: ``CheckpointError``, `.damaged`, if a piece is missing or is another; `StorageError` of kind `.io` if the
    ///   disk fails.
    public func digestPieces(share: Int, of count: Int) throws -> [CheckpointPart] {
        defer { closeFiles() }
        let own = Self.share(share, of: count, pieces.reduce(0) { $0 + $1.count })
        var end = 0
        return try digest(
            pieces.map { piece in
                let start = end
                end += piece.count
                // The rows whose first value lies in the share.
                func row(_ border: Int) -> Int {
                    let length = piece.tensor.rowCount
                    return piece.source.rows.lowerBound
                        + min(max(0, border - start) + length - 1, piece.count) / length
                }
                return (piece, row(own.lowerBound)..<row(own.upperBound))
            })
    }

    private static func share(_ share: Int, of count: Int, _ total: Int) -> Range<Int> {
        precondition((0..<count).contains(share), "share \(share) of \(count)")
        func border(_ share: Int) -> Int {
            // Without the product of both, which may be too large.
            total / count * share + total % count * share / count
        }
        return border(share)..<border(share + 1)
    }
}
