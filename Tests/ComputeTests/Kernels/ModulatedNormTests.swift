import Compute
import TestSupport
import Testing

/// Rows of a stretch, of which some stand for each sample.
struct NormShape: Sendable, CustomTestStringConvertible {
    let rows, columns, perSample: Int

    var count: Int { rows * columns }
    var samples: Int { (rows + perSample - 1) / perSample }
    /// Modulations hold three parts a sample: shift, scale, gate.
    var stride: Int { 3 * columns }
    var testDescription: String { "\(rows) x \(columns), \(perSample) rows a sample" }

    static let sweep =
        RowShape.sweep.map { NormShape(rows: $0.rows, columns: $0.columns, perSample: $0.rows) }
        + [(6, 17, 2), (6, 64, 3), (7, 33, 3), (4, 20, 1), (3, 1028, 2)].map {
            NormShape(rows: $0.0, columns: $0.1, perSample: $0.2)
        }

    /// Row `row` of a [rows, D] matrix.
    func row(_ matrix: [Double], _ row: Int) -> [Double] { Array(matrix[row * columns..<(row + 1) * columns]) }

    /// A part of the modulation that a row sees.
    func part(_ matrix: [Double], _ row: Int, _ part: Int) -> [Double] {
        let start = row / perSample * stride + part * columns
        return Array(matrix[start..<start + columns])
    }

    func vectors(_ buffer: FloatBuffer, _ part: Int) -> SampleVectors {
        SampleVectors(buffer.base + part * columns, stride: stride, rowsPerSample: perSample)
    }
}

@Suite("ModulatedNorm")
struct ModulatedNormTests {
    @Test("forward", arguments: NormShape.sweep, Element.allCases)
    func forward(_ s: NormShape, _ element: Element) {
        // A mean well off zero: a norm that subtracts it too late loses digits.
        let input = randomFloats(s.count, seed: 1).map { $0 + 2 }
        let modulation = randomFloats(s.samples * s.stride, seed: 2)
        let expected = (0..<s.rows).flatMap { row in
            Naive.modulatedNorm(
                s.row(input.doubles, row), shift: s.part(modulation.doubles, row, 0),
                scale: s.part(modulation.doubles, row, 1))
        }
        withWorkspace { memory in
            let (x, values) = (memory.matrix(input, columns: s.columns), memory.buffer(modulation))
            let output = memory.matrix(rows: s.rows, columns: s.columns, element, stride: s.columns + 3)
            let statistics = memory.empty(2 * s.rows)
            ModulatedNorm.forward(
                x, shift: s.vectors(values, 0), scale: s.vectors(values, 1), statistics: statistics.base,
                output: output, rows: s.rows)
            expectStored(output.array(rows: s.rows), expected, element, within: 1e-5, "output")
            #expect(output.isUntouchedBetween(rows: s.rows))
            expectSameBits(x.array(rows: s.rows), input, "the input")
            let rows = (0..<s.rows).map { s.row(input.doubles, $0) }
            expectClose(
                (0..<s.rows).map { statistics[2 * $0] }, rows.map { $0.reduce(0, +) / Double(s.columns) }, within: 1e-6,
                "means")
            expectClose(
                (0..<s.rows).map { statistics[2 * $0 + 1] }, rows.map { Naive.norm($0).reciprocal }, within: 1e-5,
                "reciprocal deviations")
            let again = memory.matrix(rows: s.rows, columns: s.columns, element)
            ModulatedNorm.forward(
                x, shift: s.vectors(values, 0), scale: s.vectors(values, 1), statistics: nil, output: again,
                rows: s.rows)
            expectSameBits(again.array(rows: s.rows), output.array(rows: s.rows), "without statistics")
        }
    }

    /// What a backward pass is given and what it must leave, in double.
    private struct Backward {
        let shape: NormShape
        let input, branch, gradient, before, modulation, modulationBefore, sumsBefore: [Float]
        /// What was normalised, and its statistics as the forward pass found them.
        let source: [Double]
        let statistics: [Float]
        var output: [Double] = []
        var inputGradient, modulationGradient, columnSums: [Double]

        init(_ s: NormShape, _ element: Element, hasBranch: Bool) {
            shape = s
            input = element.rounded(randomFloats(s.count, seed: 1).map { $0 + 2 })
            branch = element.rounded(randomFloats(s.count, seed: 2))
            gradient = randomFloats(s.count, seed: 3)
            before = randomFloats(s.count, seed: 4)
            modulation = randomFloats(s.samples * s.stride, seed: 5)
            modulationBefore = randomFloats(s.samples * s.stride, seed: 6)
            sumsBefore = randomFloats(s.columns, seed: 7)
            let gates = (0..<s.rows).flatMap { [modulation] in s.part(modulation.doubles, $0, 2) }
            source = (0..<s.count).map { [input, branch] in
                Double(input[$0]) + (hasBranch ? gates[$0] * Double(branch[$0]) : 0)
            }
            statistics = (0..<s.rows).flatMap { [source] row in
                let x = s.row(source, row)
                return [Float(x.reduce(0, +) / Double(s.columns)), Float(Naive.norm(x).reciprocal)]
            }
            inputGradient = before.doubles
            modulationGradient = modulationBefore.doubles
            columnSums = sumsBefore.doubles
            for row in 0..<s.rows {
                let scale = s.part(modulation.doubles, row, 1)
                let x = s.row(source, row)
                output += Naive.modulatedNorm(x, shift: s.part(modulation.doubles, row, 0), scale: scale)
                let own = Naive.modulatedNormBackward(x, scale: scale, gradient: s.row(gradient.doubles, row))
                for i in 0..<s.columns {
                    inputGradient[row * s.columns + i] += own.input[i]
                    columnSums[i] += inputGradient[row * s.columns + i]
                    let place = row / s.perSample * s.stride + i
                    modulationGradient[place] += own.shift[i]
                    modulationGradient[place + s.columns] += own.scale[i]
                }
            }
        }
    }

    @Test("backward, of an input or an input and its branch", arguments: NormShape.sweep, Element.allCases)
    func backward(_ s: NormShape, _ element: Element) {
        for (hasBranch, leaves) in [(false, true), (true, false), (true, true)] {
            let c = Backward(s, element, hasBranch: hasBranch)
            withWorkspace { memory in
                let values = memory.buffer(c.modulation)
                let source = ModulatedNorm.Source(
                    memory.matrix(c.input, columns: s.columns, element),
                    branch: hasBranch ? memory.matrix(c.branch, columns: s.columns, element) : nil,
                    gate: hasBranch ? s.vectors(values, 2) : nil)
                let gradient = memory.matrix(c.before, columns: s.columns)
                let (sums, modulation) = (memory.buffer(c.sumsBefore), memory.buffer(c.modulationBefore))
                let output = memory.matrix(rows: s.rows, columns: s.columns, element)
                let rounded = memory.matrix(rows: s.rows, columns: s.columns, element)
                ModulatedNorm.backward(
                    source, statistics: memory.buffer(c.statistics).base, shift: s.vectors(values, 0),
                    scale: s.vectors(values, 1), outputGradient: memory.matrix(c.gradient, columns: s.columns),
                    gradient: gradient, shiftGradient: s.vectors(modulation, 0),
                    scaleGradient: s.vectors(modulation, 1),
                    output: output, rounded: leaves ? rounded : nil, columnSums: leaves ? sums.base : nil,
                    scratch: memory.empty(s.columns).base, rows: s.rows)
                // A row of one column has no deviation: 1 / sqrt(epsilon) multiplies rounding errors.
                let tolerance = s.columns == 1 ? 3e-4 : 1e-5
                expectStored(output.array(rows: s.rows), c.output, element, within: tolerance, "output")
                expectClose(gradient.array(rows: s.rows), c.inputGradient, within: tolerance, "input gradient")
                expectClose(modulation.array, c.modulationGradient, within: tolerance, "modulation gradient")
                guard leaves else { return }
                expectClose(sums.array, c.columnSums, within: tolerance, "column sums")
                expectSameBits(
                    rounded.array(rows: s.rows), element.rounded(gradient.array(rows: s.rows)), "rounded gradient")
            }
        }
    }

    @Test("a sample in several stretches gives the bits of one", arguments: Element.allCases)
    func stretches(_ element: Element) {
        let s = NormShape(rows: 7, columns: 33, perSample: 7)
        let c = Backward(s, element, hasBranch: true)
        func run(_ cuts: [Range<Int>]) -> [Float] {
            withWorkspace { memory in
                let values = memory.buffer(c.modulation)
                let (input, branch) = (
                    memory.matrix(c.input, columns: 33, element), memory.matrix(c.branch, columns: 33, element)
                )
                let (dy, gradient) = (memory.matrix(c.gradient, columns: 33), memory.matrix(c.before, columns: 33))
                let (sums, modulation) = (memory.buffer(c.sumsBefore), memory.buffer(c.modulationBefore))
                let output = memory.matrix(rows: 7, columns: 33, element)
                for cut in cuts {
                    let first = cut.lowerBound
                    ModulatedNorm.backward(
                        .init(input.from(first), branch: branch.from(first), gate: s.vectors(values, 2)),
                        statistics: memory.buffer(c.statistics).base + 2 * first, shift: s.vectors(values, 0),
                        scale: s.vectors(values, 1), outputGradient: dy.from(first), gradient: gradient.from(first),
                        shiftGradient: s.vectors(modulation, 0), scaleGradient: s.vectors(modulation, 1),
                        output: output.from(first), columnSums: sums.base, scratch: memory.empty(33).base,
                        rows: cut.count)
                }
                return gradient.array(rows: 7) + output.array(rows: 7) + sums.array + modulation.array
            }
        }
        expectSameBits(run([0..<3, 3..<4, 4..<7]), run([0..<7]), "three stretches")
    }

    @Test("a constant row gives the shift, not NaN", arguments: [1, 20])
    func constantRow(_ columns: Int) {
        withWorkspace { memory in
            let shift = randomFloats(columns, seed: 1)
            let output = memory.matrix(rows: 1, columns: columns)
            func vector(_ values: [Float]) -> SampleVectors {
                SampleVectors(memory.buffer(values).base, stride: columns, rowsPerSample: 1)
            }
            ModulatedNorm.forward(
                memory.matrix([Float](repeating: 3, count: columns), columns: columns), shift: vector(shift),
                scale: vector([Float](repeating: 0.5, count: columns)), statistics: nil, output: output, rows: 1)
            expectClose(output.array(rows: 1), shift.doubles, within: 1e-6, "shift")
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
