import Compute
import TestSupport
import Testing

/// One shape and form of a linear layer.
struct LinearCase: Sendable, CustomTestStringConvertible {
    var rows: Int
    var inputs: Int
    var outputs: Int
    var weightStride: Int?
    var tiling = Tiling.tokens
    var bias = false
    var addend = false
    var gelu = false

    var testDescription: String {
        "\(rows) x \(inputs) -> \(outputs), stride \(weightStride ?? inputs), tiles of \(tiling.rows)"
            + (bias ? ", bias" : "") + (addend ? ", addend" : "") + (gelu ? ", gelu" : "")
    }

    static let sweep: [LinearCase] = [
        LinearCase(rows: 1, inputs: 4, outputs: 4),
        LinearCase(rows: 3, inputs: 20, outputs: 36, bias: true),
        LinearCase(rows: 1, inputs: 100, outputs: 20, tiling: .samples, bias: true),
        LinearCase(rows: 17, inputs: 36, outputs: 100, tiling: .samples, addend: true),
        LinearCase(rows: 16, inputs: 20, outputs: 1, bias: true, gelu: true),
        LinearCase(rows: 150, inputs: 36, outputs: 1028, bias: true, addend: true, gelu: true),
        LinearCase(rows: 150, inputs: 1028, outputs: 36, bias: true, gelu: true),
        LinearCase(rows: 129, inputs: 20, outputs: 40, weightStride: 40, addend: true, gelu: true),
        LinearCase(rows: 150, inputs: 1028, outputs: 20, weightStride: 2056, bias: true),
        LinearCase(rows: 256, inputs: 100, outputs: 300),
    ]
}

@Suite("Linear")
struct LinearTests {
    @Test("forward", arguments: LinearCase.sweep)
    func forward(_ c: LinearCase) throws {
        let engine = try Engine(threads: 2)
        let input = randomFloats(c.rows * c.inputs, seed: 1)
        let weight = Weight(c, seed: 2)
        let bias = randomFloats(c.outputs, seed: 3)
        let addend = randomFloats(c.rows * c.outputs, seed: 4)

        var expected = Naive.multiply(input.doubles, weight.dense, c.rows, c.outputs, c.inputs, transposeB: true)
        for i in expected.indices {
            if c.bias { expected[i] += Double(bias[i % c.outputs]) }
            if c.addend { expected[i] += Double(addend[i]) }
        }

        withWorkspace { memory in
            let padded = c.tiling.padded(c.rows)
            let output = memory.empty(padded * c.outputs)
            let activated = memory.empty(padded * c.outputs)
            c.linear.forward(
                engine, input: memory.buffer(input, count: padded * c.inputs), weight: memory.buffer(weight.values),
                bias: c.bias ? memory.buffer(bias) : nil, addend: c.addend ? memory.buffer(addend) : nil,
                output: output, activated: c.gelu ? activated : nil, rows: c.rows)
            expectClose(output.slice(0, expected.count).array, expected, within: 2e-6, "output")
            if c.gelu {
                expectClose(
                    activated.slice(0, expected.count).array, expected.map(Naive.gelu), within: 2e-6, "activated")
            }
        }
    }

    @Test("GELU in place gives the bits of GELU apart")
    func activatedInPlace() throws {
        let engine = try Engine(threads: 2)
        let c = LinearCase(rows: 150, inputs: 20, outputs: 36, bias: true, gelu: true)
        withWorkspace { memory in
            let padded = c.tiling.padded(c.rows)
            let input = memory.buffer(randomFloats(c.rows * c.inputs, seed: 1), count: padded * c.inputs)
            let weight = memory.buffer(Weight(c, seed: 2).values)
            let (apart, activated) = (memory.empty(padded * c.outputs), memory.empty(padded * c.outputs))
            let together = memory.empty(padded * c.outputs)
            c.linear.forward(engine, input: input, weight: weight, output: apart, activated: activated, rows: c.rows)
            c.linear.forward(engine, input: input, weight: weight, output: together, activated: together, rows: c.rows)
            let count = c.rows * c.outputs
            expectSameBits(together.slice(0, count).array, activated.slice(0, count).array, "in place")
            #expect(apart.slice(0, count).array != activated.slice(0, count).array)
        }
    }

    @Test("backwardInput", arguments: LinearCase.sweep)
    func backwardInput(_ c: LinearCase) throws {
        let engine = try Engine(threads: 2)
        let gradient = randomFloats(c.rows * c.outputs, seed: 5)
        let weight = Weight(c, seed: 2)
        let before = randomFloats(c.rows * c.inputs, seed: 6)
        let expected = Naive.multiply(gradient.doubles, weight.dense, c.rows, c.inputs, c.outputs)

        withWorkspace { memory in
            let padded = c.tiling.padded(c.rows)
            let outputGradient = memory.buffer(gradient, count: padded * c.outputs)
            let values = memory.buffer(weight.values)
            let fresh = memory.empty(padded * c.inputs)
            c.linear.backwardInput(
                engine, outputGradient: outputGradient, weight: values, inputGradient: fresh, rows: c.rows)
            expectClose(fresh.slice(0, expected.count).array, expected, within: 2e-6, "input gradient")
            let added = memory.buffer(before, count: padded * c.inputs)
            c.linear.backwardInput(
                engine, outputGradient: outputGradient, weight: values, inputGradient: added, rows: c.rows,
                accumulate: true)
            expectClose(
                added.slice(0, expected.count).array, zip(expected, before.doubles).map(+), within: 2e-6,
                "accumulated input gradient")
        }
    }

    @Test("backwardWeight adds, and leaves what lies between a strided weight's rows", arguments: LinearCase.sweep)
    func backwardWeight(_ c: LinearCase) throws {
        let engine = try Engine(threads: 2)
        let input = randomFloats(c.rows * c.inputs, seed: 1)
        let gradient = randomFloats(c.rows * c.outputs, seed: 5)
        let before = Weight(c, seed: 7)
        let biasBefore = randomFloats(c.outputs, seed: 8)
        let product = Naive.multiply(
            gradient.doubles, input.doubles, c.outputs, c.inputs, c.rows, transposeA: true)
        var sums = biasBefore.doubles
        for (i, value) in gradient.enumerated() { sums[i % c.outputs] += Double(value) }

        withWorkspace { memory in
            let padded = c.tiling.padded(c.rows)
            let weightGradient = memory.buffer(before.values)
            let biasGradient = memory.buffer(biasBefore)
            c.linear.backwardWeight(
                engine, input: memory.buffer(input, count: padded * c.inputs),
                outputGradient: memory.buffer(gradient, count: padded * c.outputs), weightGradient: weightGradient,
                biasGradient: biasGradient, rows: c.rows)
            let after = Weight(c, values: weightGradient.array)
            expectClose(
                after.dense.map { Float($0) }, zip(product, before.dense).map(+), within: 2e-6, "weight gradient")
            expectSameBits(after.between, before.between, "between the rows")
            expectClose(biasGradient.array, sums, within: 2e-6, "bias gradient")
        }
    }

    /// The contract that makes a sample independent of its batch. Its place may matter (`Tiling`), so it is kept.
    @Test(
        "a row's bits depend neither on the number of other rows nor on their values",
        arguments: [
            Tiling.tokens, .samples,
        ])
    func rowsAreIndependent(_ tiling: Tiling) throws {
        let engine = try Engine(threads: 2)
        for (inputs, outputs) in [(20, 36), (100, 1028), (1028, 100), (384, 1152), (257, 61)] {
            let linear = Linear(inputs: inputs, outputs: outputs, tiling: tiling)
            let weights = randomFloats(outputs * inputs, seed: 10)
            /// Both passes over `rows` rows, of which those outside `shared` are drawn by `others`.
            func run(_ rows: Int, shared: Range<Int>, others: UInt64) -> (forward: [Float], backward: [Float]) {
                func values(_ columns: Int, seed: UInt64) -> [Float] {
                    let place = shared.lowerBound * columns..<shared.upperBound * columns
                    var values = randomFloats(rows * columns, seed: seed + others)
                    values.replaceSubrange(place, with: randomFloats(place.count, seed: seed))
                    return values
                }
                return withWorkspace { memory in
                    let padded = tiling.padded(rows)
                    let weight = memory.buffer(weights)
                    let output = memory.empty(padded * outputs)
                    let inputGradient = memory.empty(padded * inputs)
                    linear.forward(
                        engine, input: memory.buffer(values(inputs, seed: 1000), count: padded * inputs),
                        weight: weight, output: output, rows: rows)
                    linear.backwardInput(
                        engine, outputGradient: memory.buffer(values(outputs, seed: 2000), count: padded * outputs),
                        weight: weight, inputGradient: inputGradient, rows: rows)
                    return (
                        output.slice(shared.lowerBound * outputs, shared.count * outputs).array,
                        inputGradient.slice(shared.lowerBound * inputs, shared.count * inputs).array
                    )
                }
            }
            for shared in [0..<1, 0..<17, 13..<16, 130..<150] {
                let among = run(300, shared: shared, others: 1)
                for (rows, others) in [(300, 2), (shared.upperBound, 3), (shared.upperBound + 1, 4)] {
                    let again = run(rows, shared: shared, others: UInt64(others))
                    let place = "\(inputs) -> \(outputs), rows \(shared) of \(rows)"
                    expectSameBits(again.forward, among.forward, "forward, \(place)")
                    expectSameBits(again.backward, among.backward, "backward, \(place)")
                }
            }
        }
    }
}

extension LinearCase {
    var linear: Linear { Linear(inputs: inputs, outputs: outputs, weightStride: weightStride, tiling: tiling) }
}

/// A weight [N, K] whose rows may stand apart.
private struct Weight {
    let values: [Float]
    private let c: LinearCase
    private var stride: Int { c.weightStride ?? c.inputs }

    init(_ c: LinearCase, seed: UInt64) {
        self.init(c, values: randomFloats((c.outputs - 1) * (c.weightStride ?? c.inputs) + c.inputs, seed: seed))
    }

    init(_ c: LinearCase, values: [Float]) {
        self.c = c
        self.values = values
    }

    var dense: [Double] {
        (0..<c.outputs).flatMap { row in values[row * stride..<row * stride + c.inputs].map(Double.init) }
    }
    var between: [Float] { values.indices.filter { $0 % stride >= c.inputs }.map { values[$0] } }
}
