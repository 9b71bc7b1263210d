import Compute
import TestSupport
import Testing

/// Layers that have a row for each sample.
@Suite("Linear")
struct LinearTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let rows, inputs, outputs: Int
        var linear: Linear { Linear(inputs: inputs, outputs: outputs) }
        var padded: Int { Linear.padded(rows) }
        var testDescription: String { "\(rows) x \(inputs) -> \(outputs)" }

        /// Every number of rows around a tile, and columns that are cut.
        static let sweep =
            (1...20).map { Case(rows: $0, inputs: 33, outputs: 17) }
            + [(1, 1, 1), (3, 257, 1100), (9, 1100, 70), (16, 20, 2304)].map {
                Case(rows: $0.0, inputs: $0.1, outputs: $0.2)
            }
    }

    @Test("forward", arguments: Case.sweep, Arithmetic.float32)
    func forward(_ c: Case, _ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine()
        let (input, weight) = (randomFloats(c.rows * c.inputs, seed: 1), randomFloats(c.outputs * c.inputs, seed: 2))
        let bias = randomFloats(c.outputs, seed: 3)
        var expected = Naive.multiply(
            input.doubles, weight.doubles, c.rows, c.outputs, c.inputs, transposeB: true)
        for i in expected.indices { expected[i] += Double(bias[i % c.outputs]) }
        withWorkspace { memory in
            let output = memory.empty(c.padded * c.outputs)
            c.linear.forward(
                engine, input: memory.buffer(input, count: c.padded * c.inputs), weight: memory.buffer(weight),
                bias: memory.buffer(bias), output: output, rows: c.rows)
            expectClose(output.slice(0, expected.count).array, expected, within: 2e-6, "output")
        }
    }

    @Test("backwardInput, set or added", arguments: Case.sweep, Arithmetic.float32)
    func backwardInput(_ c: Case, _ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine()
        let gradient = randomFloats(c.rows * c.outputs, seed: 5)
        let (weight, before) = (randomFloats(c.outputs * c.inputs, seed: 2), randomFloats(c.rows * c.inputs, seed: 6))
        let expected = Naive.multiply(gradient.doubles, weight.doubles, c.rows, c.inputs, c.outputs)
        withWorkspace { memory in
            // Gradients need no padding.
            let (outputGradient, values) = (memory.buffer(gradient), memory.buffer(weight))
            let (fresh, added) = (memory.empty(before.count), memory.buffer(before))
            c.linear.backwardInput(
                engine, outputGradient: outputGradient, weight: values, inputGradient: fresh, rows: c.rows)
            expectClose(fresh.array, expected, within: 2e-6, "input gradient")
            c.linear.backwardInput(
                engine, outputGradient: outputGradient, weight: values, inputGradient: added, rows: c.rows,
                accumulate: true)
            expectClose(
                added.array, zip(expected, before.doubles).map(+), within: 2e-6, "accumulated input gradient")
        }
    }

    @Test("backwardWeight adds to both gradients", arguments: Case.sweep, Arithmetic.float32)
    func backwardWeight(_ c: Case, _ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine()
        let (input, gradient) = (randomFloats(c.rows * c.inputs, seed: 1), randomFloats(c.rows * c.outputs, seed: 5))
        let (before, biasBefore) = (randomFloats(c.outputs * c.inputs, seed: 7), randomFloats(c.outputs, seed: 8))
        let product = Naive.multiply(gradient.doubles, input.doubles, c.outputs, c.inputs, c.rows, transposeA: true)
        var sums = biasBefore.doubles
        for (i, value) in gradient.enumerated() { sums[i % c.outputs] += Double(value) }
        withWorkspace { memory in
            let (weightGradient, biasGradient) = (memory.buffer(before), memory.buffer(biasBefore))
            c.linear.backwardWeight(
                engine, input: memory.buffer(input), outputGradient: memory.buffer(gradient),
                weightGradient: weightGradient, biasGradient: biasGradient, rows: c.rows)
            expectClose(
                weightGradient.array, zip(product, before.doubles).map(+), within: 2e-6, "weight gradient")
            expectClose(biasGradient.array, sums, within: 2e-6, "bias gradient")
        }
    }

    /// Tiles are padded, so that this holds with either library. A row's place in its tile may matter, so it is kept.
    @Test("a row's bits do not depend on what shares its batch", arguments: Arithmetic.float32)
    func rowsAreIndependent(_ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine()
        for (inputs, outputs) in [(20, 36), (100, 1028), (257, 61)] {
            let linear = Linear(inputs: inputs, outputs: outputs)
            let (weight, bias) = (randomFloats(outputs * inputs, seed: 10), randomFloats(outputs, seed: 11))
            let all = randomFloats(20 * inputs, seed: 1000)
            func run(_ row: Int, of rows: Int, others: UInt64) -> [Float] {
                withWorkspace { memory in
                    var values = randomFloats(rows * inputs, seed: others)
                    values.replaceSubrange(
                        row * inputs..<(row + 1) * inputs, with: all[row * inputs..<(row + 1) * inputs])
                    let output = memory.empty(Linear.padded(rows) * outputs)
                    linear.forward(
                        engine, input: memory.buffer(values, count: Linear.padded(rows) * inputs),
                        weight: memory.buffer(weight), bias: memory.buffer(bias), output: output, rows: rows)
                    return output.slice(row * outputs, outputs).array
                }
            }
            for row in [0, 3, 7, 8, 13] {
                let expected = run(row, of: 20, others: 1)
                for (rows, others) in [(20, 2), (row + 1, 3), (row + 2, 4)] {
                    expectSameBits(run(row, of: rows, others: UInt64(others)), expected, "row \(row) of \(rows)")
                }
            }
        }
    }

    @Test("a group has its bits wherever it lies", arguments: Arithmetic.float32, [1, 2, 5, 7, 8, 16])
    func groups(_ arithmetic: Arithmetic, _ group: Int) throws {
        let engine = try arithmetic.engine()
        let linear = Linear(inputs: 100, outputs: 1028)
        let (weight, bias) = (randomFloats(1028 * 100, seed: 10), randomFloats(1028, seed: 11))
        // The last one is not whole.
        let rows = 3 * group + (group + 1) / 2
        let input = randomFloats(rows * 100, seed: 12)
        func run(_ rows: Range<Int>) -> [Float] {
            withWorkspace { memory in
                let padded = Linear.padded(rows.count, group: group)
                let output = memory.empty(padded * 1028)
                linear.forward(
                    engine,
                    input: memory.buffer(
                        Array(input[rows.lowerBound * 100..<rows.upperBound * 100]), count: padded * 100),
                    weight: memory.buffer(weight), bias: memory.buffer(bias), output: output, rows: rows.count,
                    group: group)
                return output.slice(0, rows.count * 1028).array
            }
        }
        let all = run(0..<rows)
        for first in stride(from: 0, to: rows, by: group) {
            let range = first..<min(first + group, rows)
            expectSameBits(
                run(range), Array(all[range.lowerBound * 1028..<range.upperBound * 1028]), "rows \(range)")
        }
    }

    @Test("rows are padded to whole tiles")
    func padding() {
        #expect([0, 1, 8, 9, 16, 17].map { Linear.padded($0) } == [0, 8, 8, 16, 16, 24])
        #expect([0, 1, 8, 9, 16, 17].map { Linear.padded($0, group: 5) } == [0, 8, 10, 16, 20, 24])
        #expect(Linear.padded(17, group: 16) == 24)
    }
}
