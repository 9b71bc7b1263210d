import Compute
import TestSupport
import Testing

@Suite("Packed weights")
struct PackedWeightTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let inputs, outputs: Int
        let transposed: Bool
        /// What stands between the stored rows.
        var gap = 0

        var testDescription: String {
            "\(inputs) -> \(outputs), \(transposed ? "transposed" : "as stored"), gaps of \(gap)"
        }

        /// Stored [N, K] where transposed, else [K, N].
        var storedRows: Int { transposed ? outputs : inputs }
        var storedColumns: Int { transposed ? inputs : outputs }
        var stride: Int { storedColumns + gap }

        /// A half of a wider weight's columns stands as far apart as it is wide.
        static let sweep = [false, true].flatMap { transposed in
            [(1, 1, 0), (17, 33, 0), (33, 17, 17), (64, 48, 64), (70, 129, 0), (129, 70, 129), (257, 61, 3)].map {
                Case(inputs: $0.0, outputs: $0.1, transposed: transposed, gap: $0.2)
            }
        }

        /// A weight with its memory.
        func weight(_ engine: Engine) -> (Arena, PackedWeight) {
            Arena.build("weights") {
                PackedWeight(
                    engine, $0, inputs: inputs, outputs: outputs, transposed: transposed, stride: stride,
                    typicalRows: 64)
            }
        }

        /// Stored values whose gaps are NaN.
        func values(_ memory: Workspace, seed: UInt64) -> Matrix {
            memory.matrix(
                randomFloats(storedRows * storedColumns, seed: seed), columns: storedColumns, stride: stride)
        }
    }

    /// Numbers of rows around the borders of what kernels take at once.
    static let rows = [1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 70]

    private func multiply(_ c: Case, _ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine(threads: 1)
        let (arena, weight) = c.weight(engine)
        for rows in Self.rows { weight.prepare(rows: rows) }
        withExtendedLifetime(arena) {
            for (index, rows) in Self.rows.enumerated() {
                withWorkspace { memory in
                    // Other values each time: those of before must be forgotten.
                    let values = c.values(memory, seed: UInt64(10 + index))
                    weight.load(values.floats())
                    let input = arithmetic.element.rounded(randomFloats(rows * c.inputs, seed: UInt64(rows)))
                    let output = memory.matrix(rows: rows, columns: c.outputs)
                    weight.multiply(
                        memory.matrix(input, columns: c.inputs, arithmetic.element), into: output, rows: rows,
                        worker: 0)
                    let dense = arithmetic.element.rounded(values.array(rows: c.storedRows))
                    let expected = Naive.multiply(
                        input.doubles, dense.doubles, rows, c.outputs, c.inputs, transposeB: c.transposed)
                    expectClose(output.array(rows: rows), expected, within: 2e-6, "\(rows) rows")
                }
            }
        }
    }

    @Test("multiply", arguments: Case.sweep, Arithmetic.float32)
    func float32(_ c: Case, _ arithmetic: Arithmetic) throws { try multiply(c, arithmetic) }

    @Test("multiply in bfloat16", arguments: Case.sweep, Arithmetic.bfloat16)
    func bfloat16(_ c: Case, _ arithmetic: Arithmetic) throws { try multiply(c, arithmetic) }

    @Test("what is measured is what is taken, and OpenBLAS takes nothing")
    func memory() throws {
        let c = Case(inputs: 100, outputs: 300, transposed: true)
        for arithmetic in [Arithmetic.native, .oneDNN] {
            let (arena, _) = c.weight(try arithmetic.engine())
            #expect(arena.used == arena.capacity && arena.capacity >= 30_000)
        }
        #expect(c.weight(try Arithmetic.openBLAS.engine()).0.capacity == 0)
    }

    // MARK: - A row's bits

    /// Among them those whose kernels oneDNN chooses by the number of rows, with AMX: small ones, one row of 256 values, and
    /// long ones, whose depth it cuts.
    static let shapes = [
        (20, 36), (33, 17), (100, 1028), (1028, 100), (384, 1152), (257, 61), (256, 300), (384, 8), (70, 1),
        (3072, 768),
    ].flatMap { shape in
        [false, true].map { Case(inputs: shape.0, outputs: shape.1, transposed: $0) }
    }

    /// What makes a sample independent of its batch: a row by itself, and among all numbers of others at all places.
    private func expectIndependentRows(_ c: Case, _ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine(threads: 1)
        let (arena, weight) = c.weight(engine)
        let small = c.inputs * c.outputs < 10_000
        let counts = small ? Array(1...70) : Self.rows
        for rows in counts { weight.prepare(rows: rows) }
        try withExtendedLifetime(arena) {
            try withWorkspace { memory in
                weight.load(c.values(memory, seed: 1).floats())
                let input = memory.matrix(randomFloats(140 * c.inputs, seed: 2), columns: c.inputs, arithmetic.element)
                /// Rows from `first` on, in one product.
                func product(_ first: Int, _ rows: Int) -> [Float] {
                    let output = memory.matrix(rows: rows, columns: c.outputs)
                    weight.multiply(input.from(first), into: output, rows: rows, worker: 0)
                    return output.array(rows: rows)
                }
                let alone = (0..<140).flatMap { product($0, 1) }
                for rows in counts {
                    for first in [0, 70 - rows / 2, 140 - rows] {
                        let part = product(first, rows)
                        let expected = alone[first * c.outputs..<(first + rows) * c.outputs]
                        let differ = zip(part, expected).contains { $0.bitPattern != $1.bitPattern }
                        try #require(!differ, "rows \(first)..<\(first + rows)")
                    }
                }
            }
        }
    }

    @Test(
        "a row's bits depend neither on the number of rows nor on its place", arguments: shapes,
        Arithmetic.independent)
    func rows(_ c: Case, _ arithmetic: Arithmetic) throws { try expectIndependentRows(c, arithmetic) }

    @Test("nor in bfloat16", arguments: shapes, Arithmetic.bfloat16)
    func rowsOfBFloat16(_ c: Case, _ arithmetic: Arithmetic) throws { try expectIndependentRows(c, arithmetic) }
}
