import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

/// Pixels edited in place, with the checksums of their chunks made anew, as h5py does.
@Suite struct SampleDigestTests {
    static let sources = [
        MadeUpSource(count: 23), MadeUpSource(count: 23, type: .float32, labels: .continuous(2)),
    ]
    let folder: TestFolder
    var second: String { folder("set-00001-of-00002.h5") }

    init() throws { folder = try TestFolder() }

    /// Adds to one value of each of these samples of the second shard.
    private func editPixels(_ rows: [Int], by difference: Float = 1) throws {
        try edit(second) { file in
            let images = try file.dataset("/images")
            for row in rows {
                let old: [Float] = try images.read(start: [row, 1, 2, 0], count: [1, 1, 1, 1])
                try [old[0] + difference].withUnsafeBufferPointer {
                    try images.write($0, start: [row, 1, 2, 0], count: [1, 1, 1, 1])
                }
            }
        }
    }

    /// Kept in memory, and read from the files each time.
    @Test(arguments: sources, [0, 64 << 20]) func editedPixelsAreFound(_ source: MadeUpSource, mostHeld: Int) throws {
        try DatasetWriter.write(source, to: folder("set"), shards: 2)
        try editPixels([4])
        // What checkpoints record follows the digests, so that it is the reader that finds the edit ...
        let digests = try readingFinds(source, mostHeld: mostHeld)
        // ... unless there are none.
        for shard in 0..<2 { try removeDigests(DatasetName(folder("set")).shard(shard, of: 2)) }
        #expect(try ShardedDataset(path: folder("set")).fingerprint().differences(from: digests) == ["pixels differ"])
        try editPixels([4], by: -1)
        #expect(try ShardedDataset(path: folder("set")).fingerprint() == digests)
    }

    /// Reads a data set whose sample 15, row 4 of the second shard, was edited.
    ///
    /// - Returns: its fingerprint.
    private func readingFinds(_ source: MadeUpSource, mostHeld: Int) throws -> DatasetFingerprint {
        let dataset = try ShardedDataset(path: folder("set"), mostHeldBytes: mostHeld)
        for _ in 0..<2 {
            let error = try dataFailure { _ = try read(dataset, [2, 15]) }
            #expect(error.kind == .malformed && error.file == second)
            #expect(error.message.contains("/images: sample 4 has changed since it was packed"))
            #expect(error.message.contains("fpdm data verify") && error.message.contains("pack the data anew"))
        }
        // The other shard is as good as before.
        #expect(try read(dataset, [10]).images == source.expected(10))
        #expect(throws: DatasetError.self) { try dataset.allImages() }
        return try dataset.fingerprint()
    }

    private func removeDigests(_ path: String) throws {
        try AtomicFile.removeTree(HDF5Digest.path(for: path))
        let outcome = try Peer.python(
            "import h5py, sys\nwith h5py.File(sys.argv[1], 'a') as f: del f['digests']", path)
        #expect(outcome.isEmpty)
    }

    @Test(arguments: sources) func verifyListsThem(_ source: MadeUpSource) throws {
        try DatasetWriter.write(source, to: folder("set"), shards: 2)
        #expect(DatasetVerifier.verify(path: folder("set")).isSound)
        #expect(DatasetVerifier.verify(path: folder("set")).notes == [])
        try editPixels([0, 11])
        let few = DatasetVerifier.verify(path: folder("set")).problems
        try #require(few.map(\.file) == [second, second])
        #expect(few[0].message.hasPrefix("/images: sample 0 has changed since it was packed"))
        #expect(few[1].message.hasPrefix("/images: sample 11 has changed since it was packed"))
        try editPixels(Array(1..<11))
        let many = DatasetVerifier.verify(path: folder("set")).problems
        #expect(many.count == 9 && many.last?.message == "/images: 4 further samples with bad values")
    }

    @Test func otherDigests() throws {
        try DatasetWriter.write(MadeUpSource(count: 23), to: folder("set"), shards: 2)
        let before = try ShardedDataset(path: folder("set")).fingerprint()
        try edit(second) { file in
            let digests = try file.dataset("/digests")
            var values: [UInt32] = try digests.read()
            values[7] ^= 1 << 31
            try digests.write(values)
        }
        let dataset = try ShardedDataset(path: folder("set"))
        #expect(try dataset.fingerprint().differences(from: before) == ["pixels differ"])
        #expect(try dataFailure { _ = try dataset.allImages() }.message.contains("sample 7"))
        #expect(DatasetVerifier.verify(path: folder("set")).problems.count == 1)
    }

    @Test func damagedDigests() throws {
        try DatasetWriter.write(MadeUpSource(count: 23), to: folder("set"), shards: 2)
        let digests: [UInt32] = try HDF5File.open(second).dataset("/digests").read()
        let stored = digests.flatMap { digest in (0..<4).map { UInt8(truncatingIfNeeded: digest >> (8 * $0)) } }
        try damage(second) { $0[try #require(position(of: stored, in: $0))] ^= 1 }
        let dataset = try ShardedDataset(path: folder("set"))
        for call in [{ _ = try dataset.fingerprint() }, { _ = try dataset.allImages() }] {
            let error = try dataFailure { try call() }
            #expect(error.kind == .malformed && error.file == second && error.message.contains("/digests"))
        }
        let found = DatasetVerifier.verify(path: folder("set")).problems
        #expect(found.map(\.file) == [second] && found.first?.message.contains("/digests") == true)
    }

    @Test func digestsOfAnotherLayout() throws {
        for (type, shape) in [(HDF5Type.uint32, [11]), (.uint32, [12, 1]), (.int32, [12]), (.float32, [12])] {
            try DatasetWriter.write(MadeUpSource(count: 23), to: folder("set"), shards: 2)
            try removeDigests(second)
            try edit(second) { _ = try $0.createDataset("/digests", type, shape: shape) }
            let error = try dataFailure { _ = try ShardedDataset(path: folder("set")) }
            #expect(error.kind == .malformed && error.file == second && error.message.contains("/digests: is \(type)"))
            for file in try Files.names(in: folder.path) { try AtomicFile.removeTree(folder(file)) }
        }
    }

    @Test func verifyNotesWhereThereAreNone() throws {
        try DatasetWriter.write(MadeUpSource(count: 23), to: folder("set"), shards: 2)
        try removeDigests(second)
        let found = DatasetVerifier.verify(path: folder("set"))
        #expect(found.isSound && found.notes.count == 2 && found.notes[0].contains("1 of 2 files hold no /digests"))
        let summary = try DatasetSummary(ShardedDataset(path: folder("set")))
        #expect(!summary.hasDigests)
    }

    /// h5py sees the digests of all shards in `NAME.h5`.
    @Test func othersReadThem() throws {
        let source = MadeUpSource(count: 23)
        try DatasetWriter.write(source, to: folder("set"), shards: 3)
        let found = try Peer.python(
            "import h5py, sys\nd = h5py.File(sys.argv[1])['digests']\nprint(d.dtype, d.fillvalue, *d[...])",
            folder("set.h5"))
        let digests = (0..<23).map { index in
            source.stored(index).map { UInt8($0) }.withUnsafeBytes { CRC32C.of($0) }
        }
        #expect(found == "uint32 0 \(digests.map(String.init).joined(separator: " "))")
    }
}
