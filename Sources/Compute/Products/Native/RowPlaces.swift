/// Where the rows of a product's A stand, for register tiles that go down them.
struct RowPlaces: Sendable {
    /// Floats from one row to the next within a vector, and from one step along the depth to the next.
    let row, step: Int
    /// Floats from one vector of rows to the next.
    let vector: Int
    /// Bytes of the next tile's rows that a step of a tile brings nearer: all of them in the end, where the depth is not cut.
    let ahead: Int

    private static var lanes: Int { Vector.scalarCount }

    init(_ layout: ProductShape.Layout) {
        switch layout {
        case .rows(let stride): (row, step, vector, ahead) = (stride, 1, Self.lanes * stride, CacheLine.bytes / 2)
        case .columns(let stride): (row, step, vector, ahead) = (1, stride, Self.lanes, 4 * stride)
        case .vectors(let stride): (row, step, vector, ahead) = (1, Self.lanes, stride, CacheLine.bytes)
        case .packed: preconditionFailure("A is never packed")
        }
    }

    @inline(__always)
    func offset(_ index: Int) -> Int { index / Self.lanes * vector + index % Self.lanes * row }
}
