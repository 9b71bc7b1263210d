/// The consecutive pieces, of at most `limit` elements each, in which `count` elements are sent.
///
/// MPI 3.1 counts in a C `int`. Nothing is one empty piece, so that an empty send still meets its receive.
struct Pieces: Sequence, IteratorProtocol {
    private let count: Int
    private let limit: Int
    private var start = 0
    private var begun = false

    init(of count: Int, limit: Int) {
        precondition(limit > 0 && limit <= Int(Int32.max), "a piece holds 1 to \(Int32.max) elements")
        self.count = count
        self.limit = limit
    }

    mutating func next() -> Range<Int>? {
        guard start < count || !begun else { return nil }
        begun = true
        let piece = start..<Swift.min(start + limit, count)
        start = piece.upperBound
        return piece
    }
}
