import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

/// Data sets copied to another folder.
@Suite("Copies of data sets") struct DatasetCopyTests {
    private let folder: TestFolder
    private let source = MadeUpSource(count: 23)

    init() throws { folder = try TestFolder() }

    private func pack(_ name: String, shards: Int = 3) throws -> ShardedDataset {
        try AtomicFile.createDirectory(Files.folder(of: folder(name)))
        try DatasetWriter.write(source, to: folder(name), shards: shards)
        return try ShardedDataset(path: folder(name))
    }

    private func make(_ copy: DatasetCopy) throws -> (isNew: Bool, told: [Int]) {
        var told: [Int] = []
        let isNew = try copy.make {
            Issue.record("nobody else copies")
        } progress: {
            told.append($0)
        }
        return (isNew, told)
    }

    private func names() throws -> [String] { try Files.names(in: folder("node")).filter { $0.first != "." } }

    @Test func everythingOfItsNameIsCopiedOnce() throws {
        let set = try pack("a/set")
        try AtomicFile.write("x", to: folder("a/set-00001-of-00003.h5.more"))
        try AtomicFile.write("x", to: folder("a/set-other.txt"))
        let copy = try DatasetCopy(of: set, in: folder("node"))
        let first = try make(copy)
        #expect(first.isNew && first.told.last == copy.bytes && first.told == first.told.sorted())
        let files = try Files.names(in: Files.folder(of: copy.path))
        #expect(try files == Files.names(in: folder("a")).filter { $0 != "set-other.txt" } && files.count >= 5)
        for file in files {
            #expect(try Files.read(folder("a/\(file)")) == Files.read("\(Files.folder(of: copy.path))/\(file)"))
        }
        let copied = try ShardedDataset(path: copy.path)
        #expect(try copied.allImages() == set.allImages() && copied.layout == set.layout)
        // Found again, and left as it is.
        let before = try Files.names(in: folder("node"))
        #expect(try make(DatasetCopy(of: set, in: folder("node"))) == (false, []))
        #expect(try Files.names(in: folder("node")) == before)
    }

    @Test func dataOfOneNameDoNotMeet() throws {
        let copies = try [pack("a/set"), pack("b/set", shards: 2)].map { try DatasetCopy(of: $0, in: folder("node")) }
        for copy in copies { #expect(try make(copy).isNew) }
        #expect(try names().count == 2)
        #expect(try copies.map { try ShardedDataset(path: $0.path).shardPaths.count } == [3, 2])
    }

    /// Torn, or a shard of another data set in the place of one.
    @Test(arguments: [true, false]) func aCopyThatIsNotSoundIsMadeAnew(_ isTorn: Bool) throws {
        let set = try pack("a/set")
        let copy = try DatasetCopy(of: set, in: folder("node"))
        _ = try make(copy)
        let shard = DatasetName(copy.path).shard(1, of: 3)
        var bytes = try Files.read(shard)
        if isTorn { bytes.removeLast() } else { bytes = try Files.read(DatasetName(copy.path).shard(0, of: 3)) }
        try AtomicFile.write(bytes, to: shard)
        #expect(try make(copy).isNew)
        #expect(try Files.read(shard) == Files.read(DatasetName(folder("a/set")).shard(1, of: 3)))
        #expect(try names().count == 1)
    }

    @Test func whatAnInterruptedCopyLeftIsRemoved() throws {
        let copy = try DatasetCopy(of: pack("a/set"), in: folder("node"))
        let work = "\(folder("node"))/.partial-\(Files.folder(of: copy.path).split(separator: "/").last ?? "")"
        try AtomicFile.createDirectory(work)
        try AtomicFile.write("half", to: "\(work)/set-00000-of-00003.h5")
        #expect(try make(copy).isNew)
        #expect(try !Files.exists(work))
        _ = try ShardedDataset(path: copy.path)
    }

    @Test func aFailureLeavesNothing() throws {
        let set = try pack("a/set")
        let copy = try DatasetCopy(of: set, in: folder("node"))
        // Gone between the two.
        try AtomicFile.removeTree(DatasetName(folder("a/set")).shard(2, of: 3))
        #expect(throws: StorageError.self) { try make(copy) }
        #expect(try names().isEmpty && !Files.names(in: folder("node")).contains { $0.hasPrefix(".partial") })
    }

    @Test func whoComesSecondWaits() throws {
        let set = try pack("a/set")
        let copy = try DatasetCopy(of: set, in: folder("node"))
        try AtomicFile.createDirectory(folder("node"))
        let home = Files.folder(of: copy.path).split(separator: "/").last ?? ""
        var lock = try FileLock("\(folder("node"))/.lock-\(home)")
        #expect(lock != nil)
        var waited = 0
        let isNew = try copy.make {
            waited += 1
            lock = nil
        } progress: { _ in
        }
        #expect(isNew && waited == 1)
    }
}
