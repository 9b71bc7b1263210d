import Testing

@testable import Distributed

@Suite("Long buffers go in pieces")
struct PiecesTests {
    @Test(
        "pieces follow each other and cover the buffer",
        arguments: [(1, 1), (7, 3), (9, 3), (8, 100), (1000, 7)])
    func cover(count: Int, limit: Int) {
        let pieces = Array(Pieces(of: count, limit: limit))
        #expect(pieces.first?.lowerBound == 0 && pieces.last?.upperBound == count)
        #expect(zip(pieces, pieces.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        #expect(pieces.allSatisfy { $0.count <= limit && !$0.isEmpty })
        #expect(pieces.count == (count + limit - 1) / limit)
    }

    @Test("nothing is one empty piece")
    func nothing() {
        #expect(Array(Pieces(of: 0, limit: 5)) == [0..<0])
    }

    @Test("counts beyond C's int are cut at it")
    func large() {
        let limit = Int(Int32.max)
        #expect(Array(Pieces(of: 2 * limit + 1, limit: limit)).map(\.count) == [limit, limit, 1])
    }
}
