import CZLIB

/// The arrays of a `.npz` file: `.npy` files in a zip file, stored or deflated (APPNOTE 6.3, with sizes of 64 bits).
public struct NPZArchive: @unchecked Sendable {
    private struct Member {
        let isDeflated: Bool
        let isEncrypted: Bool
        let crc: UInt32
        let packed: Int
        let unpacked: Int
        let header: Int
    }

    public let path: String
    private let file: OpenFile
    private let members: [String: Member]

    /// The names of arrays, sorted, as `numpy.load` gives them.
    public var names: [String] { members.keys.sorted() }

    /// - Throws: ``StorageError``, `.malformed` if it is damaged, or no zip file.
    public init(path: String) throws {
        self.path = path
        file = try OpenFile(regular: path)
        let directory = try ZipDirectory(file)
        var members: [String: Member] = [:]
        var entry = directory.bytes[...]
        for _ in 0..<directory.count {
            guard let (name, member, rest) = Self.member(entry) else { throw ZipDirectory.damaged(path) }
            if name.hasSuffix(".npy") { members[String(name.dropLast(4))] = member }
            entry = rest
        }
        self.members = members
    }

    /// One entry of the central directory, and what follows it; nil if it is damaged.
    private static func member(_ entry: ArraySlice<UInt8>) -> (String, Member, ArraySlice<UInt8>)? {
        guard entry.count >= 46, entry.number(0, 4) == 0x0201_4B50 else { return nil }
        let method = entry.number(10, 2)
        let (nameLength, extraLength, comment) = (entry.number(28, 2), entry.number(30, 2), entry.number(32, 2))
        guard entry.count >= 46 + nameLength + extraLength + comment, method == 0 || method == 8 else { return nil }
        var (packed, unpacked, header) = (entry.number(20, 4), entry.number(24, 4), entry.number(42, 4))
        let name = entry.dropFirst(46).prefix(nameLength)
        var extra = entry.dropFirst(46 + nameLength).prefix(extraLength)
        while extra.count >= 4 {
            let (kind, length) = (extra.number(0, 2), extra.number(2, 2))
            var body = extra.dropFirst(4).prefix(length)
            guard body.count == length else { return nil }
            // Sizes of 64 bits, each where the field of 32 has no room.
            func take(_ value: inout Int) {
                guard value == 0xFFFF_FFFF, body.count >= 8 else { return }
                value = body.number(0, 8)
                body = body.dropFirst(8)
            }
            if kind == 1 {
                take(&unpacked)
                take(&packed)
                take(&header)
            }
            extra = extra.dropFirst(4 + length)
        }
        guard packed >= 0, unpacked >= 0, header >= 0 else { return nil }
        let member = Member(
            isDeflated: method == 8, isEncrypted: entry.number(8, 2) & 1 != 0, crc: UInt32(entry.number(16, 4)),
            packed: packed, unpacked: unpacked, header: header)
        return (
            String(decoding: name, as: UTF8.self), member, entry.dropFirst(46 + nameLength + extraLength + comment)
        )
    }

    /// Opens an array, whose checksum is held against its bytes.
    ///
    /// - Throws: ``StorageError``, `.missing` if there is none of this name, `.malformed` if it is damaged.
    public func array(_ name: String) throws -> NPYArray {
        guard let member = members[name] else {
            throw StorageError(.missing, path, "holds no array \"\(name)\"; it holds \(names.joined(separator: ", "))")
        }
        let label = "\(path): \(name).npy"
        if member.isEncrypted { throw StorageError(.malformed, label, "is encrypted; save it without a password") }
        let size = try file.size()
        guard member.header <= size - 30 else { throw ZipDirectory.damaged(path) }
        var head = [UInt8](repeating: 0, count: 30)
        try head.withUnsafeMutableBytes { try file.read(into: $0, at: member.header) }
        let start = member.header + 30 + head[...].number(26, 2) + head[...].number(28, 2)
        guard head[...].number(0, 4) == 0x0403_4B50, start <= size, member.packed <= size - start else {
            throw ZipDirectory.damaged(path)
        }
        guard member.isDeflated else {
            guard member.packed == member.unpacked else { throw ZipDirectory.damaged(path) }
            try require(try crc(start, member.packed), member.crc, label)
            return try NPYArray(file, start: start, length: member.packed, path: label)
        }
        guard member.unpacked <= Files.memory else {
            throw StorageError(
                .malformed, label, "takes \(member.unpacked) bytes, more than there is memory; save it with numpy.savez"
            )
        }
        var packed = [UInt8](repeating: 0, count: member.packed)
        try packed.withUnsafeMutableBytes { try file.read(into: $0, at: start) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(member.unpacked, 1 << 30))
        _ = try packed.withUnsafeBufferPointer { packed in
            try Gzip.inflate(packed, windowBits: -15, into: &bytes, most: member.unpacked) { reason in
                StorageError(.malformed, label, "cannot be unpacked; the archive is damaged: copy it anew (\(reason))")
            }
        }
        try require(bytes.withUnsafeBytes { Self.crc(0, $0) }, member.crc, label)
        return try NPYArray(bytes, path: label)
    }

    private func require(_ found: UInt32, _ wanted: UInt32, _ label: String) throws {
        guard found == wanted else {
            throw StorageError(.malformed, label, "its checksum does not hold; the archive is damaged: copy it anew")
        }
    }

    /// The zip format's checksum of bytes of the file.
    private func crc(_ start: Int, _ length: Int) throws -> UInt32 {
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 16) { buffer in
            var (crc, done) = (UInt32(0), 0)
            while done < length {
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, length - done)])
                try file.read(into: part, at: start + done)
                crc = Self.crc(crc, UnsafeRawBufferPointer(part))
                done += part.count
            }
            return crc
        }
    }

    private static func crc(_ crc: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        UInt32(truncatingIfNeeded: crc32_z(UInt(crc), bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count))
    }
}

/// The list of members at the end of a zip file.
private struct ZipDirectory {
    let count: Int
    let bytes: [UInt8]

    init(_ file: OpenFile) throws {
        let size = try file.size()
        func read(_ start: Int, _ length: Int) throws -> [UInt8] {
            guard start >= 0, length >= 0, length <= size, start <= size - length else {
                throw Self.damaged(file.path)
            }
            var bytes = [UInt8](repeating: 0, count: length)
            try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: start) }
            return bytes
        }
        // Behind the last record comes a comment of up to 65,535 bytes.
        let tail = try read(max(size - 65_557, 0), min(size, 65_557))
        let mark: [UInt8] = [0x50, 0x4B, 5, 6]
        guard tail.count >= 22,
            let place = (0...(tail.count - 22)).last(where: { tail[$0..<$0 + 4].elementsEqual(mark) })
        else { throw Self.damaged(file.path) }
        let end = tail[place...]
        var (count, length, start) = (end.number(10, 2), end.number(12, 4), end.number(16, 4))
        if count == 0xFFFF || length == 0xFFFF_FFFF || start == 0xFFFF_FFFF {
            let locator = try read(size - tail.count + place - 20, 20)
            guard locator[...].number(0, 4) == 0x0706_4B50 else { throw Self.damaged(file.path) }
            let record = try read(locator[...].number(8, 8), 56)
            guard record[...].number(0, 4) == 0x0606_4B50 else { throw Self.damaged(file.path) }
            (count, length, start) = (record[...].number(32, 8), record[...].number(40, 8), record[...].number(48, 8))
        }
        guard count >= 0, count <= length / 46 else { throw Self.damaged(file.path) }
        self.count = count
        bytes = try read(start, length)
    }

    static func damaged(_ path: String) -> StorageError {
        StorageError(.malformed, path, "is no .npz file, or damaged: copy it anew, or save it with numpy.savez")
    }
}

extension ArraySlice<UInt8> {
    /// A little-endian number of some bytes, from the slice's start on.
    fileprivate func number(_ offset: Int, _ width: Int) -> Int {
        Int(
            truncatingIfNeeded: (0..<width).reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64(self[startIndex + offset + $1])
            })
    }
}
