import TestSupport
import Testing

@testable import Compute

@Suite("Weight gradients and tiled rows")
struct WeightGradientTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let rows, columns, depth, width: Int
        /// Rows that there is room for.
        var capacity: Int { rows + 3 }
        var testDescription: String { "\(rows) rows, [\(columns), \(depth)] in tiles of \(width)" }

        init(_ rows: Int, _ columns: Int, _ depth: Int, _ width: Int? = nil) {
            (self.rows, self.columns, self.depth) = (rows, columns, depth)
            self.width = width ?? TileLayout.width(columns: columns, depth: depth)
        }

        /// One product takes 512 rows.
        static let sweep = [
            Case(1, 1, 1), .init(5, 33, 17), .init(64, 70, 33, 32), .init(100, 129, 20, 16), .init(512, 17, 64),
            .init(513, 48, 15, 16), .init(700, 900, 33), .init(1024, 33, 7, 16), .init(1100, 64, 70, 48),
            // Blocks of columns of the input: one, two of equal width, two that differ, three.
            .init(40, 20, 1152), .init(600, 33, 1536, 16), .init(17, 40, 1153, 32), .init(30, 17, 2305),
        ]
    }

    /// Both halves: rows are stored panel by panel, some where they are written, and then multiplied.
    private func run(_ c: Case, _ engine: Engine) -> [Float] {
        let element = engine.precision.element
        let gradient = randomFloats(c.rows * c.columns, seed: 1)
        let input = randomFloats(c.rows * c.depth, seed: 2)
        // A tile in vectors is of whole ones.
        let lanes = element.perLine
        let width = min((c.width + lanes - 1) / lanes * lanes, c.columns)
        let layout = TileLayout(
            engine, rows: c.capacity, columns: c.columns, width: engine.backend.isNative ? width : c.width)
        let inputLayout = TileLayout.input(engine, rows: c.capacity, columns: c.depth)
        let (arena, (tiled, placed, copied)) = Arena.build("tiles") {
            (
                TiledRows($0, layout, element), TiledRows($0, inputLayout, element),
                TiledRows.copy($0, inputLayout, element)
            )
        }
        let products = WeightGradient.products(engine, layout, inputLayout, rows: c.rows)
        return withExtendedLifetime(arena) {
            withWorkspace { memory in
                for (index, first) in stride(from: 0, to: c.rows, by: 61).enumerated() {
                    let count = min(61, c.rows - first)
                    let part = Array(gradient[first * c.columns..<(first + count) * c.columns])
                    let scratch = memory.matrix(rows: count, columns: c.columns, element)
                    // Both what was written to where it asked for, and what comes from elsewhere.
                    let target = index % 2 == 0 ? tiled.target(first, scratch) : scratch
                    Rows.copy(memory.matrix(part, columns: c.columns), to: target, rows: count)
                    tiled.store(target, at: first, count: count)
                }
                // The input: written to its place, or kept as a matrix and taken over.
                let kept = memory.matrix(input, columns: c.depth, element)
                let isCopied = c.rows % 2 == 0
                for first in stride(from: 0, to: c.rows, by: 61) {
                    let count = min(61, c.rows - first)
                    if isCopied {
                        copied.take(kept.from(first), at: first, count: count)
                    } else {
                        Rows.copy(kept.from(first), to: placed.place(first), rows: count)
                    }
                }
                let sums = memory.buffer(randomFloats(c.columns * c.depth, seed: 3))
                let work = WeightGradient(tiled, isCopied ? copied.input(kept) : placed)
                let tile = engine.backend.isNative ? width : c.width
                #expect(work.tasks == (c.columns + tile - 1) / tile * WeightGradient.blocks(c.depth).count)
                engine.pool.parallelFor(work.tasks) { task, worker in
                    work.run(products, into: sums, task: task, worker: worker)
                }
                return sums.array
            }
        }
    }

    private func expectNaive(_ c: Case, _ arithmetic: Arithmetic) throws {
        let element = arithmetic.element
        let product = Naive.multiply(
            element.rounded(randomFloats(c.rows * c.columns, seed: 1)).doubles,
            element.rounded(randomFloats(c.rows * c.depth, seed: 2)).doubles, c.columns, c.depth, c.rows,
            transposeA: true)
        let before = randomFloats(c.columns * c.depth, seed: 3)
        let one = run(c, try arithmetic.engine(threads: 1))
        expectClose(one, zip(before.doubles, product).map(+), within: 3e-6, "gradient")
        for threads in [2, 3] {
            expectSameBits(run(c, try arithmetic.engine(threads: threads)), one, "\(threads) threads")
        }
    }

    @Test("they are added up over all rows, and to what is there", arguments: Case.sweep, Arithmetic.float32)
    func float32(_ c: Case, _ arithmetic: Arithmetic) throws { try expectNaive(c, arithmetic) }

    @Test("and in bfloat16", arguments: Case.sweep, Arithmetic.bfloat16)
    func bfloat16(_ c: Case, _ arithmetic: Arithmetic) throws { try expectNaive(c, arithmetic) }

    @Test(
        "blocks of the input are of like width",
        arguments: [
            (1, 16, [1]), (1152, 16, [1152]), (1153, 16, [592, 561]), (1153, 32, [608, 545]),
            (4608, 16, [Int](repeating: 768, count: 6)),
        ])
    func blocks(_ depth: Int, _ step: Int, _ widths: [Int]) {
        let blocks = WeightGradient.blocks(depth, step: step)
        #expect(blocks.map(\.count) == widths && blocks.first?.lowerBound == 0 && blocks.last?.upperBound == depth)
    }

    @Test("tiles are of like width, and none is wider than the widest", arguments: [1, 64, 384, 1152, 4608])
    func width(_ depth: Int) {
        for columns in [1, 17, 383, 384, 385, 768, 1000, 1152, 4608] {
            let width = TileLayout.width(columns: columns, depth: depth)
            #expect(width <= 384 && width >= min(columns, 1))
            // All of them, or a multiple of a vector; the last one is not much shorter than the others.
            #expect(width == columns || width % 16 == 0)
            let tiles = (columns + width - 1) / width
            #expect(columns - (tiles - 1) * width > 0 && tiles * width < columns + 16 * tiles)
        }
        #expect(TileLayout.width(columns: 1152, depth: 4608) == 192)
        #expect(TileLayout.width(columns: 384, depth: 64) == 384)
        // Beside own kernels smaller tasks; of whole cache lines.
        #expect(TileLayout.width(columns: 1536, depth: 384, widest: 192, step: 16) == 192)
        #expect(TileLayout.width(columns: 400, depth: 384, widest: 192, step: 16) == 144)
        #expect(TileLayout.width(columns: 400, depth: 384, widest: 192, step: 32) == 160)
    }
}
