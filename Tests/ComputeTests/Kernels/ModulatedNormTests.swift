import Compute
import TestSupport
import Testing

/// B samples of T tokens of width D.
struct SampleShape: Sendable, CustomTestStringConvertible {
    var samples: Int
    var tokens: Int
    var width: Int

    var rows: Int { samples * tokens }
    var testDescription: String { "\(samples) x \(tokens) x \(width)" }

    static let sweep = [(1, 1, 4), (3, 1, 20), (2, 3, 36), (5, 16, 100), (3, 17, 16), (2, 150, 36), (2, 3, 1028)].map {
        SampleShape(samples: $0.0, tokens: $0.1, width: $0.2)
    }

    /// Row `row` of a [R, D] matrix.
    func row(_ matrix: [Double], _ row: Int) -> [Double] { Array(matrix[row * width..<(row + 1) * width]) }

    /// The first `width` columns, from `column` on, of a row's sample in a [B, stride] matrix.
    func modulation(_ matrix: [Double], _ row: Int, _ part: Int) -> [Double] {
        let start = row / tokens * Self.parts * width + part * width
        return Array(matrix[start..<start + width])
    }

    /// Parts of the test's modulation: shift, scale, gate.
    static let parts = 3
}

@Suite("ModulatedNorm and Gate")
struct ModulatedNormTests {
    /// Everything a case needs, as drawn once.
    struct Case {
        let shape: SampleShape
        let input, branch, modulation, gradient, inputGradient, modulationGradient: [Float]

        init(_ s: SampleShape) {
            shape = s
            // A mean well off zero: a norm that subtracts it too late loses digits.
            input = randomFloats(s.rows * s.width, seed: 1).map { $0 + 2 }
            branch = randomFloats(s.rows * s.width, seed: 2)
            modulation = randomFloats(s.samples * SampleShape.parts * s.width, seed: 3)
            gradient = randomFloats(s.rows * s.width, seed: 4)
            inputGradient = randomFloats(s.rows * s.width, seed: 5)
            modulationGradient = randomFloats(s.samples * SampleShape.parts * s.width, seed: 6)
        }

        var sum: [Double] {
            (0..<shape.rows).flatMap { r in
                let gate = shape.modulation(modulation.doubles, r, 2)
                return (0..<shape.width).map { c in
                    Double(input[r * shape.width + c]) + gate[c] * Double(branch[r * shape.width + c])
                }
            }
        }

        func norm(_ x: [Double]) -> [Double] {
            (0..<shape.rows).flatMap { r in
                Naive.modulatedNorm(
                    shape.row(x, r), shift: shape.modulation(modulation.doubles, r, 0),
                    scale: shape.modulation(modulation.doubles, r, 1))
            }
        }
    }

    private func part(_ buffer: FloatBuffer, _ index: Int, _ s: SampleShape) -> FloatBuffer {
        buffer.slice(index * s.width, buffer.count - index * s.width)
    }

    @Test("forward, with and without residual", arguments: SampleShape.sweep)
    func forward(_ s: SampleShape) throws {
        let engine = try Engine(threads: 2)
        let c = Case(s)
        let norm = ModulatedNorm(width: s.width, tokens: s.tokens, modulationStride: SampleShape.parts * s.width)
        withWorkspace { memory in
            let input = memory.buffer(c.input)
            let modulation = memory.buffer(c.modulation)
            let output = memory.empty(c.input.count)
            let statistics = memory.empty(2 * s.rows)
            norm.forward(
                engine, input: input, shift: part(modulation, 0, s), scale: part(modulation, 1, s),
                statistics: statistics, output: output, rows: s.rows)
            expectClose(output.array, c.norm(c.input.doubles), within: 1e-5, "output")
            let reciprocals = (0..<s.rows).map { Naive.norm(s.row(c.input.doubles, $0)).reciprocal }
            expectClose((0..<s.rows).map { statistics[2 * $0 + 1] }, reciprocals, within: 1e-5, "statistics")

            let sum = memory.empty(c.input.count)
            norm.forward(
                engine, input: input,
                residual: .init(gate: part(modulation, 2, s), branch: memory.buffer(c.branch), sum: sum),
                shift: part(modulation, 0, s), scale: part(modulation, 1, s), statistics: statistics, output: output,
                rows: s.rows)
            expectClose(sum.array, c.sum, within: 1e-6, "sum")
            expectClose(output.array, c.norm(c.sum), within: 1e-5, "output after a residual")
            expectSameBits(input.array, c.input, "the input")
        }
    }

    @Test("backward, with and without residual", arguments: SampleShape.sweep)
    func backward(_ s: SampleShape) throws {
        let engine = try Engine(threads: 2)
        let c = Case(s)
        let stride = SampleShape.parts * s.width
        let norm = ModulatedNorm(width: s.width, tokens: s.tokens, modulationStride: stride)

        var inputGradient = c.inputGradient.doubles
        var modulationGradient = c.modulationGradient.doubles
        var branchGradient = [Double](repeating: 0, count: c.input.count)
        for r in 0..<s.rows {
            let gate = s.modulation(c.modulation.doubles, r, 2)
            let g = Naive.modulatedNormBackward(
                s.row(c.input.doubles, r), scale: s.modulation(c.modulation.doubles, r, 1),
                gradient: s.row(c.gradient.doubles, r))
            for i in 0..<s.width {
                inputGradient[r * s.width + i] += g.input[i]
                branchGradient[r * s.width + i] = inputGradient[r * s.width + i] * gate[i]
                let first = r / s.tokens * stride + i
                modulationGradient[first] += g.shift[i]
                modulationGradient[first + s.width] += g.scale[i]
            }
        }
        var withGate = modulationGradient
        for r in 0..<s.rows {
            for i in 0..<s.width {
                withGate[r / s.tokens * stride + 2 * s.width + i] +=
                    inputGradient[r * s.width + i] * Double(c.branch[r * s.width + i])
            }
        }

        for residual in [false, true] {
            withWorkspace { memory in
                let input = memory.buffer(c.input)
                let modulation = memory.buffer(c.modulation)
                let statistics = memory.empty(2 * s.rows)
                norm.forward(
                    engine, input: input, shift: part(modulation, 0, s), scale: part(modulation, 1, s),
                    statistics: statistics, output: memory.empty(c.input.count), rows: s.rows)
                let actual = memory.buffer(c.inputGradient)
                let actualModulation = memory.buffer(c.modulationGradient)
                let actualBranch = memory.empty(c.input.count)
                norm.backward(
                    engine, input: input, statistics: statistics, scale: part(modulation, 1, s),
                    outputGradient: memory.buffer(c.gradient), inputGradient: actual,
                    shiftGradient: part(actualModulation, 0, s), scaleGradient: part(actualModulation, 1, s),
                    residual: residual
                        ? .init(
                            gate: part(modulation, 2, s), branch: memory.buffer(c.branch),
                            gateGradient: part(actualModulation, 2, s), branchGradient: actualBranch)
                        : nil,
                    samples: s.samples)
                expectClose(actual.array, inputGradient, within: 1e-5, "input gradient")
                expectClose(
                    actualModulation.array, residual ? withGate : modulationGradient, within: 1e-5,
                    "modulation gradient")
                if residual { expectClose(actualBranch.array, branchGradient, within: 1e-5, "branch gradient") }
            }
        }
    }

    @Test("gate forward, in place too, and backward", arguments: SampleShape.sweep)
    func gate(_ s: SampleShape) throws {
        let engine = try Engine(threads: 2)
        let c = Case(s)
        let stride = SampleShape.parts * s.width
        let gate = Gate(width: s.width, tokens: s.tokens, modulationStride: stride)
        withWorkspace { memory in
            let modulation = memory.buffer(c.modulation)
            let branch = memory.buffer(c.branch)
            let output = memory.empty(c.input.count)
            gate.forward(
                engine, input: memory.buffer(c.input), gate: part(modulation, 2, s), branch: branch, output: output,
                rows: s.rows)
            expectClose(output.array, c.sum, within: 1e-6, "output")
            let inPlace = memory.buffer(c.input)
            gate.forward(
                engine, input: inPlace, gate: part(modulation, 2, s), branch: branch, output: inPlace, rows: s.rows)
            expectSameBits(inPlace.array, output.array, "in place")

            var gateGradient = c.modulationGradient.doubles
            var branchGradient = [Double](repeating: 0, count: c.input.count)
            for r in 0..<s.rows {
                let values = s.modulation(c.modulation.doubles, r, 2)
                for i in 0..<s.width {
                    let g = Double(c.gradient[r * s.width + i])
                    branchGradient[r * s.width + i] = g * values[i]
                    gateGradient[r / s.tokens * stride + 2 * s.width + i] += g * Double(c.branch[r * s.width + i])
                }
            }
            let actualGate = memory.buffer(c.modulationGradient)
            let actualBranch = memory.empty(c.input.count)
            gate.backward(
                engine, outputGradient: memory.buffer(c.gradient), gate: part(modulation, 2, s), branch: branch,
                gateGradient: part(actualGate, 2, s), branchGradient: actualBranch, samples: s.samples)
            expectClose(actualGate.array, gateGradient, within: 1e-5, "gate gradient")
            expectClose(actualBranch.array, branchGradient, within: 1e-6, "branch gradient")
        }
    }

    @Test("a constant row gives the shift, not NaN")
    func constantRow() throws {
        let engine = try Engine(threads: 1)
        withWorkspace { memory in
            let output = memory.empty(20)
            let shift = randomFloats(20, seed: 1)
            ModulatedNorm(width: 20, tokens: 1, modulationStride: 20).forward(
                engine, input: memory.buffer([Float](repeating: 3, count: 20)), shift: memory.buffer(shift),
                scale: memory.buffer([Float](repeating: 0.5, count: 20)), statistics: memory.empty(2), output: output,
                rows: 1)
            expectClose(output.array, shift.doubles, within: 1e-6, "shift")
        }
    }

    @Test("the naive gradient agrees with finite differences")
    func naive() {
        let (x, shift) = (randomFloats(20, seed: 1).doubles, randomFloats(20, seed: 2).doubles)
        let (scale, g) = (randomFloats(20, seed: 3).doubles, randomFloats(20, seed: 4).doubles)
        let gradient = Naive.modulatedNormBackward(x, scale: scale, gradient: g)
        let input = finiteDifferences(at: x) { dot(g, Naive.modulatedNorm($0, shift: shift, scale: scale)) }
        let shifts = finiteDifferences(at: shift) { dot(g, Naive.modulatedNorm(x, shift: $0, scale: scale)) }
        let scales = finiteDifferences(at: scale) { dot(g, Naive.modulatedNorm(x, shift: shift, scale: $0)) }
        for (a, e) in [(gradient.input, input), (gradient.shift, shifts), (gradient.scale, scales)] {
            expectClose(a.map { Float($0) }, e, within: 1e-6, "gradient")
        }
    }
}
