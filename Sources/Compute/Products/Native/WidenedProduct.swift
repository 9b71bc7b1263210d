import CPlatform

/// A product of bfloat16 by the kernels for float32: parts of both operands are widened into memory that stays near.
///
/// Widening is exact, and so is a product of two bfloat16 in float32; sums are float32's. It runs at the speed of float32,
/// which on processors whose dot products of bfloat16 are slow, or that have none, is the fastest there is; in memory
/// and in the farther caches everything takes half the room. A part of the depth of A is widened once for all
/// columns, just before the tiles of the first block of columns read it; a block of B once for all rows. Networks have B
/// packed, or both operands in vectors; other layouts are there for all else, and are not made to be fast.
struct WidenedProduct: Sendable {
    private let shape: ProductShape
    private let blocks: ColumnBlocks
    /// Steps along the depth of a part.
    private let partDepth: Int
    /// A part of A, widened.
    private let places: RowPlaces
    private let aFloats: Int
    private let bFloats: Int

    init(_ shape: ProductShape) {
        self.shape = shape
        blocks = ColumnBlocks(columns: shape.columns)
        // Even, so that no pair is parted.
        partDepth = (DepthParts.size(shape) + 1) / 2 * 2
        let stored = (shape.rows + 15) / 16 * 16
        switch shape.a {
        case .rows:
            // An odd number of cache lines from row to row: those of a tile fall on different places of a cache.
            let stride = ((partDepth + 15) / 16 | 1) * 16
            places = RowPlaces(.rows(stride: stride))
            aFloats = shape.rows * stride
        case .columns:
            places = RowPlaces(.columns(stride: stored))
            aFloats = stored * partDepth
        case .vectors:
            places = RowPlaces(.vectors(stride: 16 * partDepth))
            aFloats = stored * partDepth
        case .packed: preconditionFailure("A is never packed")
        }
        bFloats = blocks.blockWidth * partDepth
    }

    /// Bytes for what is widened.
    var scratchBytes: Int { (aFloats + bFloats) * MemoryLayout<Float>.stride }

    /// With B as it lies.
    func run(
        _ a: UnsafePointer<UInt16>, _ b: UnsafePointer<UInt16>, into c: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer?
    ) {
        for index in 0..<shape.batch {
            let b = b + index * shape.depth * shape.columns
            runOne(index, a, into: c, scratch) { block, first, depth, target in
                widen(b, block, first: first, depth: depth, into: target)
            } next: { number, first in
                guard case .vectors(let stride) = shape.b, number + 1 < blocks.count else { return .nothing }
                return .columns(of: blocks[number + 1], b, .bfloat16, stride: stride, from: first)
            }
        }
    }

    /// With B packed by blocks, in pairs of rows (`ColumnBlocks.packPairs`).
    func run(
        _ a: UnsafePointer<UInt16>, packed: UnsafePointer<UInt32>, into c: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer?
    ) {
        for index in 0..<shape.batch {
            let b = PackedBlocks(
                start: packed + index * blocks.pairCount(depth: shape.depth), blocks: blocks, depth: shape.depth,
                partDepth: partDepth, stepsPerWord: 2)
            runOne(index, a, into: c, scratch) { block, first, depth, target in
                Self.widen(b.place(block, from: first), block, depth: depth, into: target)
            } next: { number, first in
                b.next(after: number, from: first)
            }
        }
    }

    /// One of a batch.
    ///
    /// - Parameters:
    ///   - widenB: widens a block of B's columns, so many steps along the depth from one on.
    ///   - next: what is read after a block, by its number and the part's first step.
    @inline(__always)
    private func runOne(
        _ index: Int, _ a: UnsafePointer<UInt16>, into c: UnsafeMutablePointer<Float>,
        _ scratch: UnsafeMutableRawPointer?,
        widenB: (ColumnBlocks.Block, Int, Int, UnsafeMutablePointer<Float>) -> Void,
        next: (Int, Int) -> NextBlock
    ) {
        guard let wideA = scratch?.assumingMemoryBound(to: Float.self) else {
            preconditionFailure("a product that widens needs memory")
        }
        let wideB = wideA + aFloats
        let a = a + index * shape.rows * shape.depth
        let c = c + index * shape.rows * shape.columns
        for first in stride(from: 0, to: shape.depth, by: partDepth) {
            let depth = min(partDepth, shape.depth - first)
            for (number, block) in blocks.enumerated() {
                widenB(block, first, depth, wideB)
                let tiles = RowTiles(
                    rows: shape.rows, places: places, cRow: shape.cStride, block: block, a: wideA, b: wideB,
                    bStep: block.width, bVector: 16, depth: depth, c: c + block.first, continues: first > 0,
                    adds: shape.accumulates, next: next(number, first))
                if number > 0 {
                    tiles.run()
                } else {
                    run(tiles, widening: a, first: first, depth: depth, into: wideA)
                }
            }
        }
    }

    /// Tiles of the first block of columns, before which their rows are widened.
    private func run(
        _ tiles: RowTiles, widening a: UnsafePointer<UInt16>, first: Int, depth: Int,
        into target: UnsafeMutablePointer<Float>
    ) {
        var row = 0
        while row < shape.rows {
            if row % Self.line == 0 {
                widen(
                    a, rows: row..<min(row + Self.line, shape.rows), first: first, depth: depth, into: target)
            }
            row += tiles.run(from: row, ahead: following(a, row, first: first, depth: depth))
        }
    }

    private static let line = Element.bfloat16.perLine

    /// What a tile brings near of the rows that are widened next: of vectors, which come from afar, a quarter.
    @inline(__always)
    private func following(
        _ a: UnsafePointer<UInt16>, _ row: Int, first: Int, depth: Int
    ) -> (start: UnsafeRawPointer, step: Int)? {
        guard case .vectors(let stride) = shape.a else { return nil }
        let (vector, place) = row.quotientAndRemainder(dividingBy: Self.line)
        guard (vector + 1) * Self.line < shape.rows else { return nil }
        let start = UnsafeRawPointer(a + (vector + 1) * stride + first * Self.line)
        return (start + place / 8 * depth * 16, 16)
    }

    /// Widens rows of A, so many steps along the depth from `first` on; `target` is where row 0 stands.
    private func widen(
        _ a: UnsafePointer<UInt16>, rows: Range<Int>, first: Int, depth: Int, into target: UnsafeMutablePointer<Float>
    ) {
        switch shape.a {
        case .rows(let stride):
            for row in rows {
                let (from, to) = (a + row * stride + first, target + places.offset(row))
                for (i, n) in vectors(depth) { store(StoredBFloat16.load(from, i, n), to + i, n) }
            }
        case .columns(let stride):
            for k in 0..<depth {
                let (from, to) = (a + (first + k) * stride + rows.lowerBound, target + k * places.step)
                for (i, n) in vectors(rows.count) {
                    store(StoredBFloat16.load(from, i, n), to + places.offset(rows.lowerBound + i), n)
                }
            }
        case .vectors(let stride):
            for row in Swift.stride(from: rows.lowerBound, to: rows.upperBound, by: 16) {
                let (from, to) = (vector(a, row, stride: stride, first: first), target + places.offset(row))
                for k in 0..<depth { store(StoredBFloat16.load(from, k * Self.line, 16), to + k * 16, 16) }
            }
        case .packed: preconditionFailure("A is never packed")
        }
    }

    /// Widens a block of B that lies as the shape says, to [depth, width].
    private func widen(
        _ b: UnsafePointer<UInt16>, _ block: ColumnBlocks.Block, first: Int, depth: Int,
        into target: UnsafeMutablePointer<Float>
    ) {
        let width = block.width
        switch shape.b {
        case .rows(let stride):
            for k in 0..<depth {
                let (from, to) = (b + (first + k) * stride + block.first, target + k * width)
                for (i, n) in vectors(block.count) { store(StoredBFloat16.load(from, i, n), to + i, 16) }
            }
        case .columns(let stride):
            target.update(repeating: 0, count: depth * width)
            for column in 0..<block.count {
                let from = b + (block.first + column) * stride + first
                for k in 0..<depth { target[k * width + column] = Float(bitPattern: UInt32(from[k]) << 16) }
            }
        case .vectors(let stride):
            for lane in Swift.stride(from: 0, to: width, by: 16) {
                let from = vector(b, block.first + lane, stride: stride, first: first)
                for k in 0..<depth {
                    store(StoredBFloat16.load(from, k * Self.line, 16), target + k * width + lane, 16)
                }
            }
        case .packed: preconditionFailure("a product of packed blocks")
        }
    }

    /// Widens a block of B's columns from its packed pairs, to [depth, width].
    private static func widen(
        _ pairs: UnsafePointer<UInt32>, _ block: ColumnBlocks.Block, depth: Int,
        into target: UnsafeMutablePointer<Float>
    ) {
        let width = block.width
        for pair in 0..<(depth + 1) / 2 {
            let (from, to) = (pairs + pair * width, target + 2 * pair * width)
            for lane in stride(from: 0, to: width, by: 16) {
                fpdm_widen_pairs(from + lane, to + lane, to + width + lane)
            }
        }
    }

    /// Where sixteen of a matrix's columns begin that lies in vectors of a cache line.
    private func vector(_ base: UnsafePointer<UInt16>, _ column: Int, stride: Int, first: Int) -> UnsafePointer<UInt16>
    {
        base + column / Self.line * stride + column % Self.line + first * Self.line
    }
}
