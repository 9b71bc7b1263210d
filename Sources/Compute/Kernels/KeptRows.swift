import CPlatform

/// Rows that a forward pass keeps for the backward pass: they are stored past the caches, where they would take the room of
/// what is read next. With `recompute` they are read again soon; a run there showed no difference. After the last one:
/// `finish`.
struct KeptRows<E: StoredElement> {
    private let matrix: Matrix?
    /// Whether rows begin with a cache line each, as stores past the caches must.
    private let inLines: Bool

    init(_ matrix: Matrix?) {
        self.matrix = matrix
        inLines =
            matrix.map { (Int(bitPattern: $0.base) | $0.stride * $0.element.bytes) % CacheLine.bytes == 0 } ?? false
    }

    /// Nil where nothing is kept.
    @inline(__always)
    subscript(row: Int) -> UnsafeMutableRawPointer? { matrix?.row(row) }

    /// - Parameters:
    ///   - i: the first column, a multiple of sixteen.
    ///   - count: columns that are left.
    @inline(__always)
    func store(_ vector: Vector, _ row: UnsafeMutableRawPointer, _ i: Int, _ count: Int) {
        if inLines && count >= Vector.scalarCount {
            E.stream(vector, row, i)
        } else {
            E.store(vector, row, i, count)
        }
    }

    @inline(__always)
    func finish() { if inLines { fpdm_finish_streams() } }
}
