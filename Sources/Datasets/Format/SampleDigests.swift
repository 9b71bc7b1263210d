import Storage

/// The digest of each sample, where shards hold them in `/digests`: read when they are first asked for, and kept.
///
/// A digest is the CRC-32C of a sample's values in the type in which they are read: bytes, or little-endian float32.
final class SampleDigests {
    private let files: ShardFiles
    /// Whether each shard holds digests.
    private let isPresent: [Bool]
    private var known: [Int: [UInt32]] = [:]

    init(files: ShardFiles, isPresent: [Bool]) {
        self.files = files
        self.isPresent = isPresent
    }

    /// The digests of a shard's samples; nil if it holds none.
    func digests(ofShard shard: Int) throws -> [UInt32]? {
        guard isPresent[shard] else { return nil }
        if let digests = known[shard] { return digests }
        let opened = try files.shard(shard)
        guard let digests = try opened.digests?.read(UInt32.self) else {
            throw DatasetError(
                .malformed, opened.path, "/digests were there when the data set was opened, and are gone")
        }
        known[shard] = digests
        return digests
    }

    /// Holds samples against their digests.
    ///
    /// - Parameters:
    ///   - values: of neighbours in a shard, `rowCount` each.
    ///   - first: the first one's row in the shard.
    /// - Throws: ``DatasetError``, naming file and sample, if one is not what was packed.
    func check<Element>(
        _ values: UnsafeBufferPointer<Element>, rowCount: Int, shard: Int, first: Int
    ) throws {
        guard let digests = try digests(ofShard: shard) else { return }
        for row in first..<first + values.count / rowCount {
            let start = (row - first) * rowCount
            let found = Self.digest(UnsafeBufferPointer(rebasing: values[start..<start + rowCount]))
            guard found == digests[row] else {
                throw DatasetError(
                    .malformed, files.paths[shard],
                    "/images: sample \(row) has \(Self.complaint(found, digests[row])); "
                        + "`fpdm data verify` lists all that changed; pack the data anew")
            }
        }
    }

    /// Of one sample's values.
    static func digest<Element>(_ values: UnsafeBufferPointer<Element>) -> UInt32 {
        CRC32C.of(UnsafeRawBufferPointer(values))
    }

    /// What is wrong with a sample, as it follows "has".
    static func complaint(_ found: UInt32, _ packed: UInt32) -> String {
        "changed since it was packed (CRC-32C \(found.hex), was \(packed.hex))"
    }
}
