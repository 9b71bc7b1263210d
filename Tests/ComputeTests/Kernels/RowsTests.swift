import Compute
import TestSupport
import Testing

@Suite("Rows of a layer")
struct RowsTests {
    @Test("add, with a repeated addend and a stream", arguments: RowShape.sweep, Element.allCases)
    func add(_ s: RowShape, _ element: Element) {
        let (period, first) = (3, 2)
        let (x, bias) = (randomFloats(s.count, seed: 1), randomFloats(s.columns, seed: 2))
        let table = randomFloats(period * s.columns, seed: 3)
        for hasAddend in [false, true] {
            let sum = (0..<s.count).map { i in
                let value = x[i] + bias[i % s.columns]
                return hasAddend ? value + table[(first + i / s.columns) % period * s.columns + i % s.columns] : value
            }
            withWorkspace { memory in
                let product = memory.matrix(x, columns: s.columns)
                let values = memory.buffer(bias).base
                let addend = hasAddend ? (memory.matrix(table, columns: s.columns), first, period) : nil
                let stream = memory.matrix(rows: s.rows, columns: s.columns)
                let output = memory.matrix(rows: s.rows, columns: s.columns, element, stride: s.columns + 3)
                Rows.add(product, bias: values, addend: addend, stream: stream, output: output, rows: s.rows)
                expectSameBits(stream.array(rows: s.rows), sum, "stream")
                expectSameBits(output.array(rows: s.rows), element.rounded(sum), "output")
                #expect(output.isUntouchedBetween(rows: s.rows))
                expectSameBits(product.array(rows: s.rows), x, "the product")
                Rows.add(product, bias: values, addend: addend, stream: product, output: nil, rows: s.rows)
                expectSameBits(product.array(rows: s.rows), sum, "in place")
            }
        }
    }

    @Test("copy between element types", arguments: RowShape.sweep)
    func copy(_ s: RowShape) {
        for from in Element.allCases {
            for to in Element.allCases {
                withWorkspace { memory in
                    let values = from.rounded(randomFloats(s.count, seed: 1))
                    let source = memory.matrix(values, columns: s.columns, from, stride: s.columns + 1)
                    let target = memory.matrix(rows: s.rows, columns: s.columns, to, stride: s.columns + 3)
                    Rows.copy(source, to: target, rows: s.rows)
                    expectSameBits(target.array(rows: s.rows), to.rounded(values), "\(from) to \(to)")
                    #expect(target.isUntouchedBetween(rows: s.rows))
                }
            }
        }
    }

    @Test("rows are added to rows", arguments: RowShape.sweep)
    func addRows(_ s: RowShape) {
        let (values, before) = (randomFloats(s.count, seed: 1), randomFloats(s.count, seed: 2))
        withWorkspace { memory in
            let source = memory.matrix(values, columns: s.columns, .float32, stride: s.columns + 1)
            let target = memory.matrix(before, columns: s.columns, .float32, stride: s.columns + 3)
            Rows.add(source, to: target, rows: s.rows)
            expectSameBits(target.array(rows: s.rows), zip(before, values).map { $0 + $1 }, "sums")
            #expect(target.isUntouchedBetween(rows: s.rows))
        }
    }

    @Test("column sums are added to what is there, row by row", arguments: RowShape.sweep, Element.allCases)
    func addColumns(_ s: RowShape, _ element: Element) {
        let values = element.rounded(randomFloats(s.count, seed: 1))
        let before = randomFloats(s.columns, seed: 2)
        var sums = before
        for (i, value) in values.enumerated() { sums[i % s.columns] += value }
        withWorkspace { memory in
            let actual = memory.buffer(before)
            Rows.addColumns(
                memory.matrix(values, columns: s.columns, element, stride: s.columns + 3), to: actual.base, rows: s.rows
            )
            expectSameBits(actual.array, sums, "sums")
        }
    }

    @Test("heads take their columns of each part, wherever rows start", arguments: [1, 5, 16, 18], Element.allCases)
    func heads(_ headWidth: Int, _ element: Element) {
        let heads = Heads(tokens: 3, heads: 2, headWidth: headWidth)
        let (samples, first, rows) = (3, 2, 5)
        for (parts, hasBias) in [(3, true), (1, false)] {
            let columns = parts * heads.width
            let (x, bias) = (randomFloats(rows * columns, seed: 1), randomFloats(columns, seed: 2))
            // Parts that stand further apart than they need to.
            let apart = samples * heads.heads * heads.headElements + 7
            var expected = [Float](repeating: .nan, count: parts * apart)
            for (i, value) in x.enumerated() {
                let (token, column) = (first + i / columns, i % columns)
                let (part, head) = (column / heads.width, column % heads.width / headWidth)
                let place = ((token / 3 * heads.heads + head) * 3 + token % 3) * headWidth + column % headWidth
                expected[part * apart + place] = element.rounded(hasBias ? value + bias[column] : value)
            }
            withWorkspace { memory in
                let output = memory.matrix(rows: 1, columns: expected.count, element)
                heads.split(
                    memory.matrix(x, columns: columns), bias: hasBias ? UnsafePointer(memory.buffer(bias).base) : nil,
                    into: output, partElements: apart, firstRow: first, rows: rows)
                let actual = output.array(rows: 1)
                #expect(zip(actual, expected).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) })
            }
        }
    }
}
