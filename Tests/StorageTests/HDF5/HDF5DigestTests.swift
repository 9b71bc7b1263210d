import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite struct HDF5DigestTests {
    let scratch: TestFolder
    var path: String { scratch("a.h5") }

    /// A file with chunks that carry checksums, chunks that do not, and text in HDF5's heap, which has none.
    init() throws {
        scratch = try TestFolder()
        let file = try HDF5File.create(path)
        try file.setAttribute("text", "a text in the heap")
        let checked = try file.createDataset("/checked", .int32, shape: [100, 3], layout: .chunked([32, 3]))
        try checked.write((0..<300).map { Int32($0) })
        let plain = try file.createDataset(
            "/plain", .uint8, shape: [50], layout: .chunked([16], fletcher32: false))
        try plain.write([UInt8](200..<250))
        let chunks = try file.checkedChunks()
        try file.close()
        try HDF5Digest(of: path, chunks: chunks).write(to: HDF5Digest.path(for: path))
    }

    private func digest() throws -> HDF5Digest { try #require(try HDF5Digest(beside: path)) }

    @Test func chunksWithChecksumsArePassedOver() throws {
        let digest = try digest()
        let bytes = try Files.read(path)
        #expect(digest.size == bytes.count)
        // Four chunks of 32 rows of 12 bytes, and a checksum each.
        let chunkBytes = digest.chunks.reduce(0) { $0 + $1.count }
        #expect(chunkBytes == 1552)
        let rows = digest.chunks.flatMap { Array(bytes[$0]) }
        #expect(position(of: [31, 0, 0, 0, 32, 0, 0, 0], in: rows) != nil)
        #expect(position(of: [UInt8](200..<216), in: rows) == nil)
        try digest.checkAll(path)
        #expect(try HDF5File.open(path).attribute("text") == "a text in the heap")
    }

    @Test func aDigestBeyondReasonIsDamage() throws {
        let own = HDF5Digest.path(for: path)
        #expect(truncate(own, 3 << 40) == 0)
        let error = storageError { _ = try digest() }
        #expect(error?.kind == .malformed && error?.path == own)
        #expect(error?.message.contains("is not as it was written") == true, "\(error?.message ?? "")")
    }

    @Test func everyFlipIsFound() throws {
        let digest = try digest()
        let bytes = try Files.read(path)
        var found = 0
        for place in bytes.indices {
            let isInChunk = digest.chunks.contains { $0.contains(place) }
            guard place % (isInChunk ? 61 : 7) == 0 else { continue }
            var flipped = bytes
            flipped[place] ^= UInt8(1 << (place % 8))
            try AtomicFile.write(flipped, to: path)
            if isInChunk {
                try digest.checkParsed(path)
            } else {
                let error = storageError { _ = try HDF5File.open(path) }
                #expect(error?.kind == .malformed && error?.path == path, "byte \(place)")
            }
            let error = storageError { try digest.checkAll(path) }
            if error?.message.contains("have changed") == true { found += 1 }
        }
        #expect(found > 100)
    }

    @Test func lengthsAreFound() throws {
        let bytes = try Files.read(path)
        try AtomicFile.write(Array(bytes.dropLast()), to: path)
        let shorter = storageError { _ = try HDF5File.open(path) }
        #expect(shorter?.message.contains("is truncated: it has \(bytes.count - 1) bytes") == true)
        try AtomicFile.write(bytes + [0], to: path)
        let longer = storageError { _ = try HDF5File.open(path) }
        #expect(longer?.message.hasPrefix("has \(bytes.count + 1) bytes where \(bytes.count) were written") == true)
        // Meant: without the digest the file opens as any other.
        #expect(longer?.message.contains("remove \(path).digest") == true)
        try AtomicFile.removeTree("\(path).digest")
        _ = try HDF5File.open(path)
        #expect(try HDF5Digest(beside: path) == nil)
    }

    @Test func aDamagedDigestVouchesForNothing() throws {
        let own = HDF5Digest.path(for: path)
        let bytes = try Files.read(own)
        var damaged = bytes.indices.map { place in
            var flipped = bytes
            flipped[place] ^= 1 << (place % 8)
            return flipped
        }
        damaged += [[], Array(bytes.dropLast()), bytes + bytes, Array(SealedText.text([]).utf8)]
        damaged.append(Array(SealedText.text(["fpdm digest, format 1", "9 bytes"]).utf8))
        for text in damaged {
            try AtomicFile.write(text, to: own)
            let error = storageError { _ = try HDF5File.open(path) }
            #expect(error?.kind == .malformed && error?.path == own)
        }
        // Sealed lines that say what cannot be.
        let lines = try #require(SealedText.lines(of: bytes))
        let count = try Files.size(of: path)
        for chunks in [["chunk 8 + 9", "chunk 16 + 1"], ["chunk 8 + \(count)"], ["chunk \(count + 1) + 0"]] {
            try AtomicFile.write(SealedText.text([lines[0], lines[1]] + chunks + [lines[lines.count - 1]]), to: own)
            #expect(storageError { _ = try HDF5Digest(beside: path) }?.path == own)
        }
        try AtomicFile.write(SealedText.text(["fpdm digest, format 2", "something new"]), to: own)
        #expect(storageError { _ = try HDF5File.open(path) }?.message.contains("use a later version") == true)
    }

    @Test func emptyAndVirtualDataSetsHaveNoChunks() throws {
        let file = try HDF5File.create(scratch("b.h5"))
        _ = try file.createDataset("/empty", .float32, shape: [0, 3], layout: .chunked([4, 3]))
        _ = try file.createDataset("/unwritten", .float32, shape: [9], layout: .chunked([4]))
        _ = try file.createDataset("/one", .float32, shape: [9])
        _ = try file.createVirtualDataset(
            "/virtual", .int32, shape: [100, 3],
            pieces: [
                VirtualPiece(
                    file: "a.h5", dataset: "/checked", sourceShape: [100, 3], sourceStart: [0, 0], start: [0, 0],
                    count: [100, 3])
            ], fill: -1)
        #expect(try file.checkedChunks().isEmpty)
    }
}
