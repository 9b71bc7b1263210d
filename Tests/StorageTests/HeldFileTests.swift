import Foundation
import TestSupport
import Testing

@testable import Storage

/// What stands in for a lock where the file system gives none.
@Suite struct HeldFileTests {
    let scratch: TestFolder
    var path: String { scratch("lock.held") }

    init() throws { scratch = try TestFolder() }

    private func lines() throws -> [String] {
        String(decoding: try Files.read(path), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// A claim of this process, changed.
    private func leave(_ change: (inout [String]) -> Void) throws {
        var lines = HolderMark.ofThisProcess().text.split(separator: "\n").map(String.init)
        change(&lines)
        try AtomicFile.write(lines.map { "\($0)\n" }.joined(), to: path)
    }

    /// Returns the time that it sets, in seconds.
    @discardableResult private func touch(secondsAgo: Int) -> Int {
        let time = timespec(tv_sec: Int(Date().timeIntervalSince1970) - secondsAgo, tv_nsec: 0)
        _ = [time, time].withUnsafeBufferPointer { utimensat(AT_FDCWD, path, $0.baseAddress, 0) }
        return time.tv_sec
    }

    /// When, in seconds.
    private var touched: Int {
        var information = stat()
        return stat(path, &information) == 0 ? Int(information.st_mtim.tv_sec) : 0
    }

    @Test func oneHoldsIt() throws {
        var first = try HeldFile(path)
        #expect(first != nil)
        #expect(try HeldFile(path) == nil)
        #expect(HeldFile.holder(of: path)?.contains("process \(getpid()) on ") == true)
        #expect(try lines()[1] == "\(getpid())")
        // However long this process is not heard of: it lives.
        touch(secondsAgo: 10_000)
        #expect(try HeldFile(path) == nil)
        #expect(first?.isHeld == true)
        first = nil
        #expect(try Files.names(in: scratch.path) == [])
        #expect(try HeldFile(path) != nil)
    }

    @Test func aDeadProcessOfThisHostIsFollowedAtOnce() throws {
        // No such number, and a number that another process has since got.
        for (process, started) in [("4194305", nil), ("1", "7")] {
            try leave { lines in
                lines[1] = process
                if let started { lines[3] = started }
            }
            do {
                let mine = try #require(try HeldFile(path))
                #expect(mine.isHeld)
            }
            #expect(try Files.names(in: scratch.path) == [])
        }
    }

    @Test func oneElsewhereIsGivenTime() throws {
        try leave { $0[2] = "another boot" }
        func attempt() throws -> HeldFile? { try HeldFile(path, beat: 0.05, staleAfter: 100) }
        #expect(try attempt() == nil)
        touch(secondsAgo: 50)
        #expect(try attempt() == nil)
        touch(secondsAgo: 110)
        #expect(try attempt()?.isHeld == true)
        // So is one whose writer has got no further than making it.
        try AtomicFile.write("host", to: path)
        #expect(try attempt() == nil)
        touch(secondsAgo: 110)
        #expect(try attempt()?.isHeld == true)
    }

    @Test func aLateTouchIsWaitedFor() throws {
        try leave { $0[2] = "another boot" }
        touch(secondsAgo: 200)
        let path = path
        let thread = Thread {
            for _ in 0..<20 {
                usleep(100_000)
                utimensat(AT_FDCWD, path, nil, 0)
            }
        }
        thread.start()
        #expect(try HeldFile(path, beat: 1, staleAfter: 100) == nil)
    }

    @Test func itIsTouched() throws {
        let mine = try #require(try HeldFile(path, beat: 0.05))
        for _ in 0..<3 {
            let old = touch(secondsAgo: 500)
            for _ in 0..<1000 where touched == old { usleep(10_000) }
            #expect(touched > old + 400)
        }
        withExtendedLifetime(mine) {}
    }

    @Test func aLossIsNoticedAndAnothersFileLeftAlone() throws {
        do {
            let mine = try #require(try HeldFile(path, beat: 0.05))
            try leave { $0[2] = "another boot" }
            #expect(!mine.isHeld)
        }
        #expect(try lines()[2] == "another boot")
        // Nor is it touched, but for a round that was under way.
        usleep(200_000)
        touch(secondsAgo: 500)
        let old = touched
        usleep(300_000)
        #expect(touched == old)
    }

    @Test func ofSeveralOneGetsIt() throws {
        for _ in 0..<20 {
            try leave { $0[1] = "4194305" }
            let won = Counter()
            let path = path
            DispatchQueue.concurrentPerform(iterations: 6) { _ in
                // Kept until all have tried.
                if let held = try? HeldFile(path) { won.keep(held) }
            }
            #expect(won.count == 1)
            won.clear()
            try AtomicFile.removeTree(path)
        }
    }

    @Test func foldersThatCannotBeWritten() throws {
        let error = storageError { _ = try HeldFile("/proc/lock.held") }
        #expect(error?.path == "/proc/lock.held")
    }
}

private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var held: [HeldFile] = []

    func keep(_ file: HeldFile) { lock.withLock { held.append(file) } }
    var count: Int { lock.withLock { held.count } }
    func clear() { lock.withLock { held = [] } }
}
