import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite struct CRC32CTests {
    func crc(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { CRC32C.of($0) } }

    /// Check value of the CRC catalogue, and RFC 3720, appendix B.4.
    @Test func knownAnswers() {
        #expect(crc(Array("123456789".utf8)) == 0xE306_9283)
        #expect(crc([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(crc([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(crc((0..<32).map { UInt8($0) }) == 0x46DD_794E)
        #expect(crc([]) == 0)
    }

    @Test func piecesAndAlignmentsGiveTheSame() throws {
        // Long enough for two rounds of three parts at once, and a rest.
        let bytes = (0..<6 * CRC32C.part + 4099).map { UInt8(truncatingIfNeeded: ($0 &* 131 &+ 7) ^ $0 >> 7) }
        // Bit by bit, from the definition.
        var reference = ~UInt32(0)
        for byte in bytes {
            reference ^= UInt32(byte)
            for _ in 0..<8 { reference = (reference >> 1) ^ (reference & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        // By the processor's instruction, where it has one, and by tables.
        let ways = CRC32C.hasInstruction ? [true, false] : [false]
        let steps = [1, 3, 8, 13, 1000, 4099, 3 * CRC32C.part + 5, bytes.count]
        for (step, way) in steps.flatMap({ step in ways.map { (step, $0) } }) {
            var crc = CRC32C(byInstruction: way)
            bytes.withUnsafeBytes { bytes in
                for start in stride(from: 0, to: bytes.count, by: step) {
                    crc.update(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + step, bytes.count)]))
                }
            }
            #expect(crc.value == ~reference, "step \(step), by instruction: \(way)")
        }
    }

    @Test func ofFiles() throws {
        let scratch = try TestFolder()
        let bytes = (0..<(3 << 20) + 5).map { UInt8(truncatingIfNeeded: $0 &* 17) }
        try AtomicFile.write(bytes, to: scratch("file"))
        #expect(try CRC32C.of(file: scratch("file")) == crc(bytes))
        try damage(scratch("file")) { $0[1_234_567] ^= 1 }
        #expect(try CRC32C.of(file: scratch("file")) != crc(bytes))
        #expect(try failure { _ = try CRC32C.of(file: scratch("none")) }.kind == .missing)
    }

    @Test func ofBytesOfFiles() throws {
        let scratch = try TestFolder()
        let bytes = (0..<(2 << 20) + 77).map { UInt8(truncatingIfNeeded: $0 &* 29 &+ $0 >> 9) }
        try AtomicFile.write(bytes, to: scratch("file"))
        for part in [0..<0, 0..<1, 5..<5, 3..<1 << 20, 7..<(2 << 20) + 77, bytes.count..<bytes.count] {
            #expect(try CRC32C.of(file: scratch("file"), bytes: part) == crc(Array(bytes[part])), "\(part)")
        }
        let error = try failure { _ = try CRC32C.of(file: scratch("file"), bytes: 5..<bytes.count + 1) }
        #expect(error.kind == .malformed && error.message.contains("truncated"))
    }

    /// Of every cut into two, and of many parts, some of them empty.
    @Test func partsArePutTogether() {
        let bytes = (0..<1031).map { UInt8(truncatingIfNeeded: $0 &* 131 &+ $0 >> 3) }
        let whole = crc(bytes)
        for cut in 0...bytes.count {
            let (first, second) = (crc(Array(bytes[..<cut])), crc(Array(bytes[cut...])))
            #expect(CRC32C.combine(first, second, count: bytes.count - cut) == whole, "cut at \(cut)")
        }
        for length in [1, 2, 3, 100, 1030, 2000] {
            var joined: UInt32 = 0
            for start in stride(from: 0, through: bytes.count, by: length) {
                let part = Array(bytes[start..<min(start + length, bytes.count)])
                joined = CRC32C.combine(joined, crc(part), count: part.count)
            }
            #expect(joined == whole, "parts of \(length)")
        }
    }

    /// Long parts, whose lengths take many bits: zeros behind a checksum, a MiB at a time and all at once.
    @Test func longPartsArePutTogether() {
        let zeros = crc([UInt8](repeating: 0, count: 1 << 20))
        let start = crc(Array("123456789".utf8))
        var joined = start
        var (all, count): (UInt32, Int) = (0, 0)
        for _ in 0..<5000 {
            joined = CRC32C.combine(joined, zeros, count: 1 << 20)
            all = CRC32C.combine(all, zeros, count: 1 << 20)
            count += 1 << 20
        }
        #expect(count > Int(UInt32.max) && CRC32C.combine(start, all, count: count) == joined)
    }
}

/// What stands where a file should be.
@Suite struct RegularFileTests {
    @Test func whatIsNoFileIsNotOpenedNorWaitedFor() throws {
        let scratch = try TestFolder()
        try AtomicFile.createDirectory(scratch("folder"))
        #expect(mkfifo(scratch("pipe"), 0o600) == 0)
        try makeSocket(scratch("socket"))
        symlink("/dev/zero", scratch("device"))
        symlink("pipe", scratch("link"))
        let calls: [(String) throws -> Void] = [
            { _ = try Files.readRegular($0) }, { _ = try Files.size(of: $0) }, { _ = try CRC32C.of(file: $0) },
            { _ = try HDF5File.open($0) }, { _ = try HDF5File.open($0, .readWrite) }, { _ = try SafeTensors.open($0) },
        ]
        for (name, kind) in [
            ("folder", "a folder"), ("pipe", "a pipe"), ("socket", "a socket"), ("device", "a device"),
            ("link", "a pipe"),
        ] {
            for call in calls {
                let error = try failure { try call(scratch(name)) }
                #expect(error.kind == .malformed && error.path == scratch(name), "\(error)")
                #expect(error.message.contains("is \(kind), not a file"), "\(error)")
            }
        }
        for call in calls { #expect(try failure { try call(scratch("none")) }.kind == .missing) }
        try AtomicFile.write("here", to: scratch("file"))
        symlink("file", scratch("alias"))
        #expect(try Files.readRegular(scratch("alias")) == Array("here".utf8))
    }

    /// Files with holes may be longer than any memory.
    @Test func whatIsTooLongIsNotRead() throws {
        let scratch = try TestFolder()
        try AtomicFile.write("here", to: scratch("file"))
        #expect(try Files.read(scratch("file"), most: 4) == Array("here".utf8))
        #expect(truncate(scratch("file"), 4 << 40) == 0)
        let calls: [(String) throws -> Void] = [
            { _ = try Files.read($0) }, { _ = try Files.readRegular($0) }, { _ = try Files.read($0, most: 3) },
            { _ = try Files.readRegular($0, most: 3) },
        ]
        for call in calls {
            let error = try failure { try call(scratch("file")) }
            #expect(error.kind == .malformed && error.path == scratch("file"))
            #expect(error.message.contains("has 4398046511104 bytes where at most"), "\(error)")
        }
        // Those that do not tell their length have none.
        let endless = try failure { _ = try Files.read("/dev/zero", most: 100_000) }
        #expect(endless.kind == .malformed && endless.message.contains("more bytes"), "\(endless)")
    }

    private func makeSocket(_ path: String) throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0, "no socket at \(path)")
    }
}

@Suite struct AtomicFileTests {
    /// Files of /proc, like pipes, do not tell their length.
    @Test func whatHasNoLengthIsReadToItsEnd() throws {
        #expect(try Files.size(of: "/proc/self/status") == 0)
        #expect(String(decoding: try Files.read("/proc/self/status"), as: UTF8.self).contains("\nPid:"))
    }

    @Test func writesAndReplaces() throws {
        let scratch = try TestFolder()
        try AtomicFile.write("one", to: scratch("file"))
        try AtomicFile.write("two", to: scratch("file"))
        #expect(try Files.read(scratch("file")) == Array("two".utf8))
        #expect(try failure { try AtomicFile.write("three", to: scratch("file"), replacing: false) }.kind == .exists)
        #expect(try Files.read(scratch("file")) == Array("two".utf8))
        #expect(try Files.names(in: scratch.path) == ["file"])
    }

    @Test func aFailedWriteLeavesWhatWasThere() throws {
        let scratch = try TestFolder()
        try AtomicFile.write("old", to: scratch("file"))
        let error = try failure {
            try AtomicFile.write(to: scratch("file")) { file in
                try [UInt8](repeating: 1, count: 100).withUnsafeBytes { try file.write($0) }
                throw StorageError.system(ENOSPC, "write", scratch("file"))
            }
        }
        #expect(error.kind == .io)
        #expect(try Files.read(scratch("file")) == Array("old".utf8))
        #expect(try Files.names(in: scratch.path) == ["file"])
    }

    /// Under a name that nothing else has; a folder too, and errors go by the name that it was to get.
    @Test func whatIsMadeTakesItsPlace() throws {
        let scratch = try TestFolder()
        var seen: [String] = []
        for name in ["a", "b"] {
            let made = try AtomicFile.place(at: scratch(name), replacing: false) { temporary in
                try AtomicFile.createDirectory("\(temporary)/inside")
                try AtomicFile.write("x", to: "\(temporary)/inside/file")
                seen.append(temporary)
                return 7
            }
            #expect(try made == 7 && Files.names(in: scratch(name)) == ["inside"])
        }
        #expect(Set(seen).count == 2 && seen.allSatisfy { $0.hasPrefix(scratch(".partial-")) })
        let error = try failure {
            try AtomicFile.place(at: scratch("c"), replacing: false) { temporary in
                try AtomicFile.createDirectory(temporary)
                throw StorageError(.io, "\(temporary)/file", "is not written")
            }
        }
        #expect(error == StorageError(.io, scratch("c/file"), "is not written"))
        #expect(
            try failure {
                try AtomicFile.place(at: scratch("a"), replacing: false) { try AtomicFile.write("x", to: $0) }
            }.kind == .exists)
        #expect(try Files.names(in: scratch.path) == ["a", "b"])
    }

    @Test func fullDisk() throws {
        let file = try OpenFile(writing: "/dev/full")
        let error = try failure { try [1 as UInt8].withUnsafeBytes { try file.write($0) } }
        #expect(error.kind == .io)
        #expect(error.description.hasPrefix("/dev/full: cannot write: No space left on device; the disk is full"))
    }

    @Test func foldersThatRefuse() throws {
        // /proc refuses new files to root too.
        let error = try failure { try AtomicFile.write("x", to: "/proc/fpdm-test") }
        #expect(error.path == "/proc/fpdm-test")
        #expect(throws: StorageError.self) { try AtomicFile.createDirectory("/proc/fpdm-test") }
        #expect(!AtomicFile.isWritableDirectory("/proc"))
        #expect(try failure { try AtomicFile.write("x", to: "/nowhere/file") }.kind == .missing)
        #expect(StorageError.system(EROFS, "write", "f").message.contains("read-only"))
    }

    @Test func foldersAndTrees() throws {
        let scratch = try TestFolder()
        try AtomicFile.createDirectory(scratch("a/b/c"))
        try AtomicFile.createDirectory(scratch("a/b/c"))
        #expect(try failure { try AtomicFile.createDirectory(scratch("a/b/c"), exclusive: true) }.kind == .exists)
        try AtomicFile.write("x", to: scratch("a/b/file"))
        try AtomicFile.write("kept", to: scratch("outside"))
        symlink(scratch("outside"), scratch("a/link"))
        #expect(try failure { try AtomicFile.createDirectory(scratch("outside/below")) }.kind == .io)
        #expect(AtomicFile.isWritableDirectory(scratch("a")))
        #expect(try Files.names(in: scratch("a")) == ["b", "link"])
        try AtomicFile.syncFile(scratch("a/b/file"))
        try AtomicFile.syncDirectory(scratch("a"))

        #expect(try failure { try AtomicFile.rename(from: scratch("a/b"), to: scratch("outside")) }.kind == .exists)
        try AtomicFile.rename(from: scratch("a/b"), to: scratch("moved"))
        #expect(try Files.names(in: scratch("moved")) == ["c", "file"])
        #expect(try failure { try AtomicFile.rename(from: scratch("gone"), to: scratch("x")) }.kind == .missing)

        try AtomicFile.removeTree(scratch("a"))
        try AtomicFile.removeTree(scratch("a"))
        #expect(try Files.names(in: scratch.path) == ["moved", "outside"])
        #expect(try Files.read(scratch("outside")) == Array("kept".utf8))
    }

    /// What cannot be looked up is not "not there". (Permissions, which have the same way out, do not bind root.)
    @Test func whatCannotBeLookedUp() throws {
        let scratch = try TestFolder()
        try AtomicFile.write("x", to: scratch("file"))
        symlink(scratch("loop"), scratch("loop"))
        symlink(scratch("gone"), scratch("dangling"))
        #expect(try Files.exists(scratch("file")) && !Files.isDirectory(scratch("file")))
        #expect(try Files.exists(scratch.path) && Files.isDirectory(scratch.path))
        #expect(try Files.exists(scratch("dangling")) && !Files.isDirectory(scratch("dangling")))
        // Not there, also where a part of the path is a file.
        for path in [scratch("gone"), scratch("gone/below"), scratch("file/below")] {
            #expect(try !Files.exists(path) && !Files.isDirectory(path))
        }
        // The link itself is there; what it leads to, or lies below it, cannot be told.
        #expect(try Files.exists(scratch("loop")))
        let long = scratch(String(repeating: "n", count: 256))
        let calls: [(path: String, message: String, call: () throws -> Void)] = [
            (scratch("loop/below"), "leads back to itself", { _ = try Files.exists(scratch("loop/below")) }),
            (scratch("loop"), "leads back to itself", { _ = try Files.isDirectory(scratch("loop")) }),
            (long, "shorter name", { _ = try Files.exists(long) }),
            (long, "shorter name", { _ = try Files.isDirectory(long) }),
            (long, "shorter name", { _ = try HDF5File.create(long) }),
            (long, "shorter name", { try AtomicFile.rename(from: scratch("file"), to: long) }),
            (scratch("loop"), "leads back to itself", { try AtomicFile.createDirectory(scratch("loop")) }),
        ]
        for (path, message, call) in calls {
            let error = try failure { try call() }
            // A link that leads nowhere is what somebody made; the rest is the system's.
            let kind: StorageTrouble = message.hasPrefix("leads") ? .malformed : .io
            #expect(error.kind == kind && error.path == path && error.message.contains(message), "\(error)")
        }
        #expect(!AtomicFile.isWritableDirectory(scratch("loop")) && !AtomicFile.isWritableDirectory(long))
    }

    @Test func foldersOfPaths() {
        #expect(Files.folder(of: "a") == ".")
        #expect(Files.folder(of: "/a") == "/")
        #expect(Files.folder(of: "a/b/") == "a")
        #expect(Files.folder(of: "/a/b/c") == "/a/b")
    }
}
