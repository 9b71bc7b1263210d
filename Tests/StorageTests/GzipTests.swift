import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite struct GzipTests {
    @Test func asPythonPacksIt() throws {
        let folder = try TestFolder()
        // Two members, one after the other, the second one of nothing; and one that is larger than any buffer.
        _ = try Peer.python(
            """
            import gzip, sys
            open('a.gz', 'wb').write(gzip.compress(b'hello ') + gzip.compress(b'world') + gzip.compress(b'') + bytes(512))
            open('b.gz', 'wb').write(gzip.compress(bytes(range(256)) * 4000))
            """, needs: "gzip", in: folder.path)
        #expect(try Gzip.unpack(Files.read(folder("a.gz")), "a.gz") == Array("hello world".utf8))
        let large = try Files.read(folder("b.gz"))
        #expect(try Gzip.unpack(large, "b.gz") == (0..<1_024_000).map { UInt8(truncatingIfNeeded: $0) })
        #expect(try failure { _ = try Gzip.unpack(large, "b.gz", most: 1000) }.message.contains("more than 1000 bytes"))
        for length in [0, 1, 9, 10, 100, large.count / 2, large.count - 1] {
            let error = try failure { _ = try Gzip.unpack(Array(large[..<length]), "b.gz") }
            #expect(error.kind == .malformed && error.message.contains("gzip"), "\(length)")
        }
        for place in [0, 30, large.count - 6, large.count - 2] {
            var bytes = large
            bytes[place] ^= 4
            #expect(try failure { _ = try Gzip.unpack(bytes, "b.gz") }.kind == .malformed, "byte \(place)")
        }
    }
}
