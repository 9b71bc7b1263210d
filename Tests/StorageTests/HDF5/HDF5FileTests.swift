import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Storage

@Suite struct HDF5FileTests {
    @Test func missingExistingAndForeignFiles() throws {
        let scratch = try TestFolder()
        let missing = try failure { _ = try HDF5File.open(scratch("none.h5")) }
        #expect(missing.kind == .missing)
        #expect(missing.description.hasPrefix(scratch("none.h5") + ": "))

        try AtomicFile.write("keep me", to: scratch("there.h5"))
        #expect(try failure { _ = try HDF5File.create(scratch("there.h5")) }.kind == .exists)
        #expect(try Files.read(scratch("there.h5")) == Array("keep me".utf8))
        #expect(try failure { _ = try HDF5File.open(scratch("there.h5")) }.kind == .malformed)

        try AtomicFile.write([], to: scratch("empty.h5"))
        #expect(try failure { _ = try HDF5File.open(scratch("empty.h5")) }.kind == .malformed)
        #expect(throws: StorageError.self) { try HDF5File.open(scratch.path) }
        #expect(throws: StorageError.self) { try HDF5File.create("/proc/fpdm-test.h5") }
        #expect(try failure { _ = try HDF5File.create("/nowhere/fpdm-test.h5") }.kind == .missing)
        #expect(try !Files.exists("/nowhere"))
    }

    /// Two that write to one name at once do not write into each other's file; what lies there under another name stays.
    @Test func wholeOrNotAtAll() throws {
        let scratch = try TestFolder()
        func write(_ value: Int, _ meanwhile: () throws -> Void = {}) throws {
            try HDF5File.write(to: scratch("a.h5")) { file in
                try file.createDataset("x", .int64, shape: []).write([value])
                try meanwhile()
            }
        }
        try AtomicFile.createDirectory(scratch("a.h5.partial"))
        try AtomicFile.write("kept", to: scratch("a.h5.partial/file-of-a-person"))
        #expect(try failure { try write(1) { try write(2) } }.kind == .exists)
        #expect(try HDF5File.open(scratch("a.h5")).dataset("x").read(Int.self) == [2])
        #expect(try Files.names(in: scratch.path) == ["a.h5", "a.h5.partial"])
        #expect(try Files.names(in: scratch("a.h5.partial")) == ["file-of-a-person"])
        let error = try failure { try HDF5File.write(to: scratch("none/b.h5")) { _ in } }
        #expect(error.path == scratch("none/b.h5") && !error.message.contains(".partial"), "\(error)")
    }

    /// Where this process may mount a small disk; elsewhere this shows nothing.
    @Test func aFullDiskIsToldInShort() throws {
        let scratch = try TestFolder()
        guard try run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", scratch.path]).status == 0 else { return }
        defer { _ = try? run(["umount", "-l", scratch.path]) }
        let error = try failure {
            try HDF5File.write(to: scratch("a.h5")) { file in
                try file.createDataset("x", .float32, shape: [50_000]).write([Float](repeating: 1, count: 50_000))
            }
        }
        let full = StorageError.system(ENOSPC, "write", scratch("a.h5"))
        #expect(error == StorageError(.io, scratch("a.h5"), "x: \(full.message)"), "\(error)")
        #expect(try Files.names(in: scratch.path).isEmpty)
    }

    @Test(arguments: [0.05, 0.5, 0.99])
    func truncatedFiles(part: Double) throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        try file.createDataset("x", .float32, shape: [10_000]).write([Float](repeating: 1, count: 10_000))
        try file.close()
        try damage(scratch("a.h5")) { $0.removeLast($0.count - Int(Double($0.count) * part)) }
        let error = try failure { _ = try HDF5File.open(scratch("a.h5")) }
        #expect(error.kind == .malformed)
        #expect(error.message.contains("truncated"))
    }

    @Test func objects() throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        _ = try file.createDataset("/model/deep/x", .float32, shape: [1])
        _ = try file.createDataset("/model/blocks.10.weight", .float32, shape: [2])
        _ = try file.createDataset("/model/blocks.9.weight", .float32, shape: [2])
        #expect(try file.names(in: "/model") == ["blocks.10.weight", "blocks.9.weight", "deep"])
        #expect(try file.names(in: "/") == ["model"])
        #expect(try file.kind(of: "/model/deep") == .group)
        #expect(try file.kind(of: "/model/blocks.9.weight") == .dataset)
        #expect(file.exists("/"))
        #expect(file.exists("model/deep"))
        #expect(!file.exists("/none/deep"))
        #expect(!file.exists("/model/blocks.9.weight/below"))
        #expect(try failure { _ = try file.createDataset("/model", .int32, shape: [1]) }.kind == .exists)
        #expect(try failure { _ = try file.createDataset("/model/deep", .int32, shape: [1]) }.kind == .exists)
        let missing = try failure { _ = try file.dataset("/model/none") }
        #expect(missing.kind == .missing)
        #expect(missing.description.contains("/model/none"))
        #expect(try failure { _ = try file.dataset("/model") }.kind == .malformed)
        #expect(try failure { _ = try file.names(in: "/model/blocks.9.weight") }.kind == .malformed)
        #expect(try failure { _ = try file.createDataset("bad", .int32, shape: [2, -1]) }.kind == .malformed)
    }

    @Test func closing() throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        let dataset = try file.createDataset("x", .float32, shape: [2])
        try dataset.write([Float(1), 2])
        try file.flush()
        try file.close()
        try file.close()
        #expect(throws: StorageError.self) { try dataset.read(Float.self) }
        #expect(throws: StorageError.self) { try file.names(in: "/") }
        #expect(!file.exists("/x"))
        // A data set keeps its file.
        var opened: HDF5File? = try HDF5File.open(scratch("a.h5"))
        let kept = try #require(try opened?.dataset("x"))
        opened = nil
        #expect(try kept.read(Float.self) == [1, 2])
        // A file for reading takes no writes.
        #expect(throws: StorageError.self) { try kept.write([Float(3), 4]) }
    }

    @Test func filesThatOthersWrite() throws {
        let scratch = try TestFolder()
        try HDF5File.create(scratch("a.h5")).close()
        let script = """
            import fcntl, sys
            f = open(sys.argv[1], 'r+b')
            fcntl.flock(f, fcntl.LOCK_EX)
            print('locked', flush=True)
            sys.stdin.read()
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script, scratch("a.h5")]
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        #expect(output.fileHandleForReading.availableData.starts(with: Data("locked".utf8)))
        let error = try failure { _ = try HDF5File.open(scratch("a.h5"), .readWrite) }
        #expect(error.kind == .io)
        #expect(error.message.contains("open elsewhere"))
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        try HDF5File.open(scratch("a.h5"), .readWrite).close()
    }

    @Test func goingOnInAFile() throws {
        let scratch = try TestFolder()
        try HDF5File.create(scratch("a.h5")).close()
        let file = try HDF5File.open(scratch("a.h5"), .readWrite)
        try file.createDataset("x", .int64, shape: []).write([42])
        try file.close()
        #expect(try HDF5File.open(scratch("a.h5")).dataset("x").read(Int.self) == [42])
    }

    /// Digests of checkpoints are compared: equal content is equal bytes, at any time.
    @Test func equalContentIsEqualBytes() throws {
        let scratch = try TestFolder()
        for name in ["a.h5", "b.h5"] {
            let file = try HDF5File.create(scratch(name))
            _ = try file.createDataset("/g/x", .float32, shape: [1])
            try file.createDataset("/x/y", .float32, shape: [3], layout: .chunked([2])).write([1, 2, 3] as [Float])
            try file.setAttribute("text", "some", of: "/x/y")
            try file.close()
            if name == "a.h5" { Thread.sleep(forTimeInterval: 1.1) }
        }
        #expect(try Files.read(scratch("a.h5")) == Files.read(scratch("b.h5")))
    }

    /// Who releases the lock and takes it again at once does not go before one who waits.
    @Test func theLockIsFair() throws {
        let lock = FairLock()
        let order = Mutex<[String]>([])
        let done = DispatchSemaphore(value: 0)
        lock.withLock {
            Thread.detachNewThread {
                lock.withLock { order.withLock { $0.append("waiting") } }
                done.signal()
            }
            while lock.tickets < 2 { Thread.sleep(forTimeInterval: 0.001) }
            // Recursion does not wait in the queue.
            lock.withLock { order.withLock { $0.append("inside") } }
        }
        lock.withLock { order.withLock { $0.append("again") } }
        done.wait()
        #expect(order.withLock { $0 } == ["inside", "waiting", "again"])
    }

    @Test func manyThreads() async throws {
        let scratch = try TestFolder()
        let root = scratch.path
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<8 {
                group.addTask {
                    let path = "\(root)/\(index).h5"
                    let values = (0..<50_000).map { Float($0 * index) }
                    let file = try HDF5File.create(path)
                    try file.createDataset("x", .float32, shape: [50_000], layout: .chunked([1000])).write(values)
                    try file.close()
                    let missing = (try? HDF5File.open("\(root)/none.h5")) == nil
                    return try missing && HDF5File.open(path).dataset("x").read(Float.self) == values
                }
            }
            for try await isEqual in group { #expect(isEqual) }
        }
    }
}
