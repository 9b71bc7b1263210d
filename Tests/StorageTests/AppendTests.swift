import TestSupport
import Testing

@testable import Storage

/// Lines added to a file that others may have left half written.
@Suite struct AppendTests {
    @Test func linesFollowEachOther() throws {
        let scratch = try TestFolder()
        let path = scratch("log")
        for line in ["one", "", "three"] { try Files.append(line: line, to: path) }
        #expect(try Files.read(path) == Array("one\n\nthree\n".utf8))
    }

    @Test func aLineThatWasCutShortSpoilsNoOther() throws {
        let scratch = try TestFolder()
        let path = scratch("log")
        try AtomicFile.write("whole\nha", to: path)
        try Files.append(line: "next", to: path)
        #expect(try Files.read(path) == Array("whole\nha\nnext\n".utf8))
    }

    @Test func whatCannotBeWrittenIsToldWithItsName() throws {
        let scratch = try TestFolder()
        let error = try #require(throws: StorageError.self) { try Files.append(line: "x", to: scratch("none/log")) }
        #expect(error.kind == .missing && error.path == scratch("none/log"))
        let full = try #require(throws: StorageError.self) { try Files.append(line: "x", to: "/dev/full") }
        #expect(full.kind == .io)
    }
}
