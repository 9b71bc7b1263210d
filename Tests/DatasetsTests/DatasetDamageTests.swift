import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

/// Flipped bits anywhere in the files of a packed data set. (Tests/cli/data/data-damage.test does so to children, with
/// time-outs; here HDF5 must not be given what would crash it.)
@Suite struct DatasetDamageTests {
    let folder: TestFolder
    let source = MadeUpSource(count: 23, labelNames: (0..<7).map { "class \($0)" })

    init() throws {
        folder = try TestFolder()
        try DatasetWriter.write(source, to: folder("set"), shards: 2, citation: "somewhere", licence: "CC0")
    }

    private var files: [String] {
        get throws { try Files.names(in: folder.path).filter { !$0.hasPrefix(".") } }
    }

    @Test func everyFlipIsReported() throws {
        #expect(try files.count == 6)
        for (index, name) in try files.enumerated() {
            let bytes = try Files.read(folder(name))
            for place in stride(from: index, to: bytes.count, by: name.hasSuffix(".digest") ? 5 : 61) {
                var flipped = bytes
                flipped[place] ^= UInt8(1 << (place % 8))
                try AtomicFile.write(flipped, to: folder(name))
                let found = DatasetVerifier.verify(path: folder("set"))
                #expect(found.problems.map(\.file).contains(folder(name)), "\(name), byte \(place)")
            }
            try AtomicFile.write(bytes, to: folder(name))
        }
        #expect(DatasetVerifier.verify(path: folder("set")).problems.isEmpty)
    }

    /// A change of values with checksums to match, as h5py makes it: reading does not find it where there is no digest
    /// of it, the whole file's does.
    @Test func editedLabels() throws {
        let path = folder("set-00001-of-00002.h5")
        _ = try Peer.python(
            "import h5py, sys\nwith h5py.File(sys.argv[1], 'r+') as f: f['labels'][3] = (f['labels'][3] + 1) % 7", path)
        _ = try ShardedDataset(path: folder("set")).allImages()
        let found = DatasetVerifier.verify(path: folder("set")).problems
        #expect(found.map(\.file) == [path])
        #expect(found.first?.message.contains("bytes have changed since it was written") == true)
        #expect(found.first?.message.contains("remove \(path).digest") == true)
        // Meant.
        try AtomicFile.removeTree("\(path).digest")
        #expect(DatasetVerifier.verify(path: folder("set")).isSound)
    }

    @Test func filesWithoutDigestsAreRead() throws {
        for name in try files where name.hasSuffix(".digest") { try AtomicFile.removeTree(folder(name)) }
        let dataset = try ShardedDataset(path: folder("set"))
        #expect(try read(dataset, [15]).images == source.expected(15))
        let found = DatasetVerifier.verify(path: folder("set"))
        #expect(found.isSound && found.notes.count == 1)
        #expect(found.notes[0].contains("3 of 3 files have no digest beside them"))
    }

    /// What a packing that was killed leaves is refused: it opens only with its last file in place.
    @Test func placesInOrder() throws {
        for missing in ["set-00001-of-00002.h5", "set-00000-of-00002.h5"] {
            try AtomicFile.removeTree(folder(missing))
            #expect(throws: DatasetError.self) { try ShardedDataset(path: folder("set")) }
            // Nor is it packed over.
            #expect(try dataFailure { try DatasetWriter.write(source, to: folder("set")) }.message.contains("replaced"))
        }
        try AtomicFile.removeTree(folder("set.h5"))
        let error = try dataFailure { try DatasetWriter.write(source, to: folder("set")) }
        #expect(error.file.hasSuffix(".digest") && error.message.contains("never replaced"))
    }
}
