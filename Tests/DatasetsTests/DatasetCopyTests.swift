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

    @Test func itsFilesAreCopiedOnce() throws {
        let set = try pack("a/set")
        let packed = try Files.names(in: folder("a"))
        // What people leave beside them, under whatever name, is neither copied nor in the way.
        for name in ["set-00001-of-00003.h5.more", "set.h5.notes", "set-other.txt"] {
            try AtomicFile.write("x", to: folder("a/\(name)"))
        }
        for name in ["set.h5-old", "set-00000-of-00003.h5.d"] { try AtomicFile.createDirectory(folder("a/\(name)")) }
        #expect(mkfifo(folder("a/set.h5.fifo"), 0o600) == 0)
        let copy = try DatasetCopy(of: set, in: folder("node"))
        let first = try make(copy)
        #expect(first.isNew && first.told.last == copy.bytes && first.told == first.told.sorted())
        let files = try Files.names(in: Files.folder(of: copy.path))
        #expect(files == packed && files.count == 8)
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

    /// Found when it is read, since all of it is not read before.
    @Test func aRottenChunkHasItMadeAnew() throws {
        let set = try pack("a/set")
        let copy = try DatasetCopy(of: set, in: folder("node"))
        _ = try make(copy)
        let shard = DatasetName(copy.path).shard(0, of: 3)
        let image = source.stored(0).map { UInt8($0) }
        try damage(shard) { try $0[#require(position(of: image, in: $0)) + 5] ^= 4 }
        #expect(try !make(copy).isNew)
        let failure = try dataFailure { _ = try ShardedDataset(copyOf: set, at: copy.path).allImages() }
        #expect(failure.kind == .malformed && failure.file == shard)
        #expect(failure.message.contains("this is the copy of \(set.name.base) that data.stage made: the next start"))
        #expect(try make(copy).isNew)
        #expect(try ShardedDataset(copyOf: set, at: copy.path).allImages() == set.allImages())
        #expect(try !make(copy).isNew && names().count == 1)
    }

    @Test func aRottenChunkIsFoundInStoredSamplesToo() throws {
        let set = try pack("a/set")
        let copy = try DatasetCopy(of: set, in: folder("node"))
        _ = try make(copy)
        let image = source.stored(0).map { UInt8($0) }
        try damage(DatasetName(copy.path).shard(0, of: 3)) {
            try $0[#require(position(of: image, in: $0)) + 5] ^= 4
        }
        // Where nothing can be noted beside it, a person has to remove it.
        let home = Files.folder(of: copy.path)
        try AtomicFile.createDirectory("\(Files.folder(of: home))/.damaged-\(Files.lastPart(of: home))")
        let copied = try ShardedDataset(path: copy.path, mostHeldBytes: 0, copiedFrom: set.name.base)
        let failure = try dataFailure {
            try withUnsafeTemporaryAllocation(byteCount: copied.storedImageBytes, alignment: 16) {
                try copied.readStored([(0, 0)], into: #require($0.baseAddress))
            }
        }
        #expect(failure.message.contains("that data.stage made: remove the folder \(home), and the next start"))
    }

    @Test func aSoundCopyIsTakenWithoutItsLock() throws {
        let copy = try DatasetCopy(of: pack("a/set"), in: folder("node"))
        _ = try make(copy)
        // As where nothing may be written, which root may everywhere.
        let lock = "\(folder("node"))/.lock-\(Files.lastPart(of: Files.folder(of: copy.path)))"
        try AtomicFile.removeTree(lock)
        try AtomicFile.createDirectory(lock)
        #expect(try !make(copy).isNew)
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

    /// Another process's lock is waited for while its copy grows, and no longer.
    @Test(arguments: [true, false]) func whoStandsStillIsNotWaitedForForEver(_ grows: Bool) throws {
        let set = try pack("a/set")
        let copy = try DatasetCopy(of: set, in: folder("node"))
        let home = Files.lastPart(of: Files.folder(of: copy.path))
        let work = "\(folder("node"))/.partial-\(home)"
        try AtomicFile.createDirectory(work)
        let path = "\(folder("node"))/.lock-\(home)"
        try AtomicFile.write("process 7 on elsewhere\n", to: path)
        var lock = try FileLock(path)
        #expect(lock != nil)
        guard grows else {
            let error = #expect(throws: StorageError.self) {
                try copy.make(patience: .milliseconds(500)) {
                } progress: { _ in
                }
            }
            #expect(
                error?.kind == .exists && error?.message.hasPrefix("process 7 on elsewhere holds this lock") == true)
            withExtendedLifetime(lock) {}
            return
        }
        let waits = DispatchSemaphore(value: 0)
        let making = OwnThread {
            // Longer than the other may be kept from its processor by tests beside this one, shorter than all that it does.
            try copy.make(patience: .milliseconds(3_000)) {
                waits.signal()
            } progress: { _ in
            }
        }
        try #require(waits.wait(timeout: .now() + 600) == .success, "nobody waits")
        for bytes in 1...20 {
            try AtomicFile.write(String(repeating: "x", count: bytes), to: "\(work)/set-00000-of-00003.h5")
            usleep(200_000)
        }
        lock = nil
        #expect(try making.value())
        let name = try String(decoding: Files.read(path), as: UTF8.self)
        #expect(name.hasPrefix("process \(getpid()) on "))
    }
}

/// Work on a thread of its own: tasks share theirs with the tests beside this one, which hold them for long.
private final class OwnThread<Value: Sendable>: @unchecked Sendable {
    private let hasEnded = DispatchSemaphore(value: 0)
    private var result: Result<Value, any Error>?

    init(_ body: sending @escaping () throws -> Value) {
        nonisolated(unsafe) let body = body
        Thread { [self] in
            result = Result { try body() }
            hasEnded.signal()
        }.start()
    }

    /// Waits for it; to be asked once.
    func value() throws -> Value {
        hasEnded.wait()
        return try #require(result).get()
    }
}
