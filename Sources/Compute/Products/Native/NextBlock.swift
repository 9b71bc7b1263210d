/// What of B will be wanted next, for tiles to bring near meanwhile.
enum NextBlock {
    case nothing
    /// A packed block, in which all tiles share: bytes of each of its rows.
    case whole(UnsafeRawPointer, row: Int)
    /// Vectors of columns, a cache line for each row, of each of which tiles take a part.
    case vectors(UnsafeRawPointer, stride: Int, count: Int)

    /// The vectors that have a block's columns, which may begin and end in the middle of one, of a matrix that lies so
    /// (`ProductShape.Layout.vectors`), from a row on.
    ///
    /// - Parameter stride: elements from one vector to the next.
    static func columns(
        of block: ColumnBlocks.Block, _ matrix: UnsafeRawPointer, _ element: Element, stride: Int, from row: Int
    ) -> NextBlock {
        let line = element.perLine
        let (first, last) = (block.first / line, (block.first + block.width - 1) / line)
        let stride = stride * element.bytes
        return .vectors(matrix + first * stride + row * CacheLine.bytes, stride: stride, count: last - first + 1)
    }

    /// Where one tile of several begins, and the bytes from one of its steps to the next.
    @inline(__always)
    func part(_ tile: Int, of tiles: Int, depth: Int) -> (start: UnsafeRawPointer, step: Int)? {
        switch self {
        case .whole(let start, let row):
            let step = row / tiles
            return (start + tile * depth * step, step)
        case .vectors(let start, let stride, let count):
            let (vector, row) = (tile * count * depth / tiles).quotientAndRemainder(dividingBy: depth)
            return (start + vector * stride + row * CacheLine.bytes, CacheLine.bytes * count / tiles)
        case .nothing: return nil
        }
    }
}
