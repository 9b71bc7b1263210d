import Foundation

/// What vouches for an HDF5 file that is written once and read often: a small text file beside it, `FILE.digest`.
///
///     fpdm digest, format 1
///     70812 bytes, CRC-32C 0f3a9c11
///     chunk 4096 + 65536
///     all but chunks: CRC-32C 9c0d1e2f
///     these lines: CRC-32C 5e6f7a8b
///
/// HDF5 1.10 trusts what it parses: a flipped bit in a heap makes it crash, or loop for ever. So what it parses is held
/// against its checksum before it sees the file (``HDF5File/open(_:_:)``), which reads little: chunks are passed over,
/// as they carry checksums of their own that HDF5 checks when it reads them.
public struct HDF5Digest: Equatable, Sendable {
    private static let title = "fpdm digest, format "
    private static let format = 1

    /// Bytes.
    let size: Int
    /// CRC-32C of all bytes.
    let whole: UInt32
    /// Where chunks with checksums of their own lie: rising, apart from each other.
    let chunks: [Range<Int>]
    /// CRC-32C of all other bytes.
    let outside: UInt32

    /// The digest's own file.
    public static func path(for file: String) -> String { "\(file).digest" }

    /// Reads a file that is closed.
    ///
    /// - Parameter chunks: as ``HDF5File/checkedChunks()`` gives them.
    public init(of path: String, chunks: [Range<Int>]) throws {
        size = try Files.size(of: path)
        whole = try CRC32C.of(file: path)
        self.chunks = chunks
        outside = try Self.outside(of: path, chunks, size: size)
    }

    /// The digest that lies beside a file; nil if there is none.
    ///
    /// - Throws: ``StorageError``, `.malformed`, if it is damaged or of a later version.
    public init?(beside file: String) throws {
        let path = Self.path(for: file)
        guard try Files.exists(path) else { return nil }
        let damage = StorageError(
            .malformed, path,
            "is not as it was written, so that it cannot vouch for \(file); copy it anew, or remove it to do without it"
        )
        guard try Files.size(of: path) <= Self.mostBytes(for: file),
            let lines = SealedText.lines(of: try Files.readRegular(path)), let first = lines.first
        else { throw damage }
        guard first.hasPrefix(Self.title), let format = Int(first.dropFirst(Self.title.count)) else { throw damage }
        guard format == Self.format else {
            throw StorageError(
                .malformed, path,
                "is of format \(format), but this program reads format \(Self.format); use a later version of it, or "
                    + "remove the file to do without it")
        }
        guard let found = Self(lines: lines), found.lines == lines else { throw damage }
        self = found
    }

    /// Bytes that the digest of a file may have: a chunk, with its entry in the file's index, takes no less than a third
    /// of the line that tells of it; and a file that was cut short had more of them.
    private static func mostBytes(for file: String) -> Int {
        let size = (try? Files.size(of: file)) ?? 0
        return 1 << 24 + 4 * min(size, 1 << 28)
    }

    /// Takes lines at their word; nil for any that have not the form.
    private init?(lines: [String]) {
        guard lines.count >= 3, let sum = lines[1].wholeMatch(of: /([0-9]+) bytes, CRC-32C (\S{8})/),
            let size = Int(sum.1), let whole = UInt32(sum.2, radix: 16),
            let rest = lines[lines.count - 1].wholeMatch(of: /all but chunks: CRC-32C (\S{8})/),
            let outside = UInt32(rest.1, radix: 16)
        else { return nil }
        var chunks: [Range<Int>] = []
        for line in lines[2..<(lines.count - 1)] {
            guard let chunk = line.wholeMatch(of: /chunk ([0-9]+) \+ ([0-9]+)/), let start = Int(chunk.1),
                let length = Int(chunk.2), start >= chunks.last?.upperBound ?? 0, start <= size,
                length <= size - start
            else { return nil }
            chunks.append(start..<start + length)
        }
        (self.size, self.whole, self.chunks, self.outside) = (size, whole, chunks, outside)
    }

    private var lines: [String] {
        ["\(Self.title)\(Self.format)", "\(size) bytes, CRC-32C \(whole.hex)"]
            + chunks.map { "chunk \($0.lowerBound) + \($0.count)" } + ["all but chunks: CRC-32C \(outside.hex)"]
    }

    /// Writes the digest's file, at the path given.
    public func write(to path: String) throws {
        try AtomicFile.write(SealedText.text(lines), to: path, replacing: false)
    }
}

extension HDF5Digest {
    /// Holds the file's length, and all that HDF5 parses of it, against this.
    ///
    /// - Throws: ``StorageError``, `.malformed`, if either is another.
    func checkParsed(_ path: String) throws {
        let found = try Files.size(of: path)
        guard found == size else {
            throw StorageError(
                .malformed, path,
                "\(found < size ? "is truncated: it " : "")has \(found) bytes where \(size) were written; "
                    + Self.remedy(path))
        }
        try require(try Self.outside(of: path, chunks, size: size), outside, path)
    }

    /// Holds all bytes against this.
    ///
    /// - Throws: ``StorageError``, `.malformed`, if any is another.
    public func checkAll(_ path: String) throws {
        try checkParsed(path)
        try require(try CRC32C.of(file: path), whole, path)
    }

    private func require(_ found: UInt32, _ written: UInt32, _ path: String) throws {
        guard found != written else { return }
        throw StorageError(
            .malformed, path,
            "its bytes have changed since it was written (CRC-32C \(found.hex), was \(written.hex)); "
                + Self.remedy(path))
    }

    private static func remedy(_ path: String) -> String {
        "copy or make it anew, or, if it was changed on purpose, remove \(Self.path(for: path))"
    }

    private static func outside(of path: String, _ chunks: [Range<Int>], size: Int) throws -> UInt32 {
        let file = try OpenFile(reading: path)
        var crc = CRC32C()
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 16) { buffer in
            var position = 0
            for chunk in chunks + [size..<size] {
                while position < chunk.lowerBound {
                    let part = UnsafeMutableRawBufferPointer(
                        rebasing: buffer[..<min(buffer.count, chunk.lowerBound - position)])
                    try file.read(into: part, at: position)
                    crc.update(UnsafeRawBufferPointer(part))
                    position += part.count
                }
                position = chunk.upperBound
            }
        }
        return crc.value
    }
}
