import TestSupport
import Testing

@testable import Compute

/// What is particular to this program's own kernels; that they multiply is tested with all backends.
@Suite("Own kernels")
struct NativeProductTests {
    /// A depth that is cut, columns of every width of block, and rows of every height of tile.
    private static let shapes = [(13, 80, 1100), (8, 48, 512), (15, 64, 513), (64, 112, 40), (3, 5, 1537)]

    /// In bfloat16 the same chain: widening is exact, and so is each product.
    @Test(
        "every element is one chain of multiply-adds in the order of the depth", arguments: shapes,
        Precision.allCases)
    func chain(_ shape: (rows: Int, columns: Int, depth: Int), _ precision: Precision) throws {
        let (rows, columns, depth) = shape
        let engine = try Arithmetic(library: .native, precision: precision).engine(threads: 1)
        let element = precision.element
        let a = element.rounded(randomFloats(rows * depth, seed: 1))
        let b = element.rounded(randomFloats(depth * columns, seed: 2))
        var expected = [Float](repeating: 0, count: rows * columns)
        for row in 0..<rows {
            for column in 0..<columns {
                var sum: Float = 0
                for k in 0..<depth { sum = sum.addingProduct(a[row * depth + k], b[k * columns + column]) }
                expected[row * columns + column] = sum
            }
        }
        let plain = engine.products(ProductShape(rows: rows, columns: columns, depth: depth, element))
        let transposed = engine.products(
            ProductShape(
                rows: rows, columns: columns, depth: depth, a: .columns(stride: rows), b: .columns(stride: depth),
                element))
        let (arena, packed) = Arena.build("weight") {
            PackedWeight(
                engine, $0, inputs: depth, outputs: columns, transposed: false, stride: columns, typicalRows: rows)
        }
        packed.prepare(rows: rows)
        withExtendedLifetime(arena) {
            withWorkspace { memory in
                let c = memory.empty(rows * columns)
                let x = memory.matrix(a, columns: depth, element)
                let y = memory.matrix(b, columns: columns, element)
                plain.run(x.base, y.base, into: c.base, worker: 0)
                expectSameBits(c.array, expected, "as they lie")
                let left = Naive.transpose(a.doubles, rows, depth).map { Float($0) }
                let right = Naive.transpose(b.doubles, depth, columns).map { Float($0) }
                transposed.run(
                    memory.matrix(left, columns: rows, element).base,
                    memory.matrix(right, columns: depth, element).base, into: c.base, worker: 0)
                expectSameBits(c.array, expected, "transposed")
                packed.load(memory.buffer(b).base)
                packed.multiply(x, into: Matrix(c, columns: columns), rows: rows, worker: 0)
                expectSameBits(c.array, expected, "packed")
            }
        }
    }

    @Test("blocks of columns cover all of them, none wider than a tile", arguments: 1...200)
    func blocks(_ columns: Int) {
        let all = ColumnBlocks(columns: columns)
        var next = 0
        for block in all {
            #expect(block.first == next && (1...3).contains(block.vectors))
            #expect(block.count <= block.width && (1...16).contains(block.lastLanes))
            next += block.count
        }
        #expect(next == columns)
        // One vector by itself only where there is no other.
        #expect(columns <= 16 || all.allSatisfy { $0.vectors > 1 })
        #expect(all.map(\.width).max() == all.blockWidth && all.reduce(0) { $0 + $1.width } == all.width)
        #expect(all.packedCount(depth: 3) == (columns + 15) / 16 * 48)
    }

    @Test("packing moves every value to its place, whichever way they lie", arguments: [(1, 1), (17, 33), (40, 100)])
    func packing(_ depth: Int, _ columns: Int) {
        let blocks = ColumnBlocks(columns: columns)
        let values = (0..<depth * columns).map { Float($0 + 1) }
        withWorkspace { memory in
            let rows = memory.buffer(values)
            let byColumns = memory.buffer(Naive.transpose(values.doubles, depth, columns).map { Float($0) })
            let packed = [(rows, columns, 1), (byColumns, 1, depth)].map { source, row, column in
                let target = memory.empty(blocks.packedCount(depth: depth))
                target.fill(.nan)
                blocks.pack(source.base, row: row, column: column, depth: depth, into: target.base)
                return target.array
            }
            #expect(packed[0] == packed[1])
            var start = 0
            for block in blocks {
                for k in 0..<depth {
                    for n in 0..<block.width {
                        let expected = n < block.count ? values[k * columns + block.first + n] : 0
                        #expect(packed[0][start + k * block.width + n] == expected)
                    }
                }
                start += block.width * depth
            }
        }
    }

    @Test("in pairs, too", arguments: [(1, 1), (17, 33), (40, 100), (97, 20)])
    func pairs(_ depth: Int, _ columns: Int) {
        let blocks = ColumnBlocks(columns: columns)
        // Few enough that bfloat16 has them.
        let values = (0..<depth * columns).map { Float($0 % 251 + 1) }
        withWorkspace { memory in
            let target = memory.empty(blocks.pairCount(depth: depth))
            target.fill(.nan)
            let words = UnsafeMutableRawPointer(target.base).assumingMemoryBound(to: UInt32.self)
            blocks.packPairs(memory.buffer(values).base, row: columns, column: 1, depth: depth, into: words)
            let byColumns = memory.buffer(Naive.transpose(values.doubles, depth, columns).map { Float($0) })
            let other = memory.empty(target.count)
            other.fill(.nan)
            blocks.packPairs(
                byColumns.base, row: 1, column: depth, depth: depth,
                into: UnsafeMutableRawPointer(other.base).assumingMemoryBound(to: UInt32.self))
            expectSameBits(other.array, target.array, "by columns")
            var start = 0
            for block in blocks {
                for k in 0..<(depth + 1) / 2 * 2 {
                    for n in 0..<block.width {
                        let word = words[start + k / 2 * block.width + n]
                        let value = Float(bitPattern: k % 2 == 0 ? word << 16 : word & 0xffff_0000)
                        let isInside = k < depth && n < block.count
                        #expect(value == (isInside ? values[k * columns + block.first + n] : 0))
                    }
                }
                start += block.width * ((depth + 1) / 2)
            }
            #expect(start == target.count)
        }
    }

    @Test(
        "rows in vectors are the rows of a matrix, zeros behind them", arguments: [1, 16, 20, 33, 70],
        Precision.allCases)
    func vectors(_ columns: Int, _ precision: Precision) throws {
        let engine = try Arithmetic(library: .native, precision: precision).engine()
        let (element, lanes) = (precision.element, 64 / precision.element.bytes)
        let layout = TileLayout.input(engine, rows: 10, columns: columns)
        let (arena, tiled) = Arena.build("vectors") { TiledRows($0, layout, element) }
        let values = element.rounded(randomFloats(7 * columns, seed: 1))
        withExtendedLifetime(arena) {
            withWorkspace { memory in
                tiled.take(memory.matrix(values, columns: columns), at: 2, count: 7)
                for row in 0..<10 {
                    for column in 0..<(columns + lanes - 1) / lanes * lanes {
                        let place = tiled.start(column / lanes * lanes, tile: columns, row: row)
                        let value = Matrix(place, element, columns: lanes).value(0, column % lanes)
                        let isInside = (2..<9).contains(row) && column < columns
                        #expect(value == (isInside ? values[(row - 2) * columns + column] : 0))
                    }
                }
            }
        }
    }
}
