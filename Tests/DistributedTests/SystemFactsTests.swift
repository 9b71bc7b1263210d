import Testing

@testable import Distributed

/// What the kernel tells about processors and processes.
@Suite struct SystemFactsTests {
    @Test func processorsHaveNames() {
        let files = ["/proc/cpuinfo": "processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC  9R14\nflags\t: a b\n"]
        #expect(NodeProcessors.model { files[$0] } == "AMD EPYC 9R14")
        #expect(NodeProcessors.model { _ in nil } == "unknown")
        #expect(NodeProcessors.model { _ in "model name\t:\n" } == "unknown")
    }

    @Test func masksAreShort() {
        let lists: [([Int], String)] = [
            ([], ""), ([3], "3"), ([0, 1], "0-1"), ([0, 1, 2, 3, 8], "0-3,8"), ([0, 2, 4, 5], "0,2,4-5"),
        ]
        for (mask, list) in lists {
            #expect(NodeProcessors.list(mask) == list)
            if !mask.isEmpty { #expect(NodeProcessors.count(inList: list) == mask.count) }
        }
    }

    @Test func bytesOfFilesAreAddedUp() {
        let text = """
            rchar: 1000
            wchar: 200
            syscr: 7
            syscw: 7
            read_bytes: 30
            write_bytes: 4096
            cancelled_write_bytes: 0

            """
        #expect(ProcessFileBytes.bytes { ["/proc/self/io": text][$0] } == 1230)
        #expect(ProcessFileBytes.bytes { _ in nil } == 0)
    }

    @Test func readingCounts() throws {
        let before = ProcessFileBytes.current
        try #require(before > 0)
        _ = SystemFiles.read("/proc/self/maps")
        #expect(ProcessFileBytes.current > before)
    }

    @Test func callsAreCounted() {
        let calls = CallCounter()
        #expect(calls.value == 0)
        calls.step()
        #expect(calls.value == 1)
        calls.step()
        #expect(calls.value == 2)
    }
}
