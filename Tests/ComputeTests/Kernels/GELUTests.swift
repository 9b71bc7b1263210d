import Compute
import TestSupport
import Testing

/// GELU over a layer's rows, forward and backward.
@Suite("GELU of rows")
struct GELUTests {
    @Test("forward, with what is added and kept", arguments: RowShape.sweep, Element.allCases)
    func forward(_ s: RowShape, _ element: Element) {
        let x = randomFloats(s.count, seed: 1, scale: 4)
        let (added, bias) = (randomFloats(s.count, seed: 2), randomFloats(s.columns, seed: 3))
        // Rows that begin with a cache line each are stored another way.
        let lines = (s.columns + 31) / 32 * 32
        for (hasAddend, hasBias, keeps, stride) in [
            (false, false, false, lines), (true, false, true, s.columns + 3), (false, true, true, lines),
            (true, true, true, s.columns + 3), (true, true, true, lines),
        ] {
            let hidden = (0..<s.count).map { i in
                (hasAddend ? x[i] + added[i] : x[i]) + (hasBias ? bias[i % s.columns] : 0)
            }
            withWorkspace { memory in
                let product = memory.matrix(x, columns: s.columns)
                let kept = memory.matrix(rows: s.rows, columns: s.columns, element, stride: stride)
                let activated = memory.matrix(rows: s.rows, columns: s.columns, element, stride: s.columns + 5)
                GELU.forward(
                    product, addend: hasAddend ? memory.matrix(added, columns: s.columns) : nil,
                    bias: hasBias ? UnsafePointer(memory.buffer(bias).base) : nil, hidden: keeps ? kept : nil,
                    activated: activated, rows: s.rows)
                if keeps { expectSameBits(kept.array(rows: s.rows), element.rounded(hidden), "hidden") }
                expectStored(
                    activated.array(rows: s.rows), hidden.doubles.map(Naive.gelu), element, within: 1e-6, "activated")
                expectSameBits(product.array(rows: s.rows), x, "the product")
                #expect(kept.isUntouchedBetween(rows: s.rows) && activated.isUntouchedBetween(rows: s.rows))
            }
        }
    }

    @Test("backward, with the sums it adds to", arguments: RowShape.sweep, Element.allCases)
    func backward(_ s: RowShape, _ element: Element) {
        let hidden = element.rounded(randomFloats(s.count, seed: 1, scale: 4))
        let dy = randomFloats(s.count, seed: 2)
        let (sums, total) = (randomFloats(s.columns, seed: 3), randomFloats(s.count, seed: 4))
        let gradient = zip(hidden.doubles, dy.doubles).map { Naive.geluSlope($0) * $1 }
        var columns = sums.doubles
        for (i, value) in gradient.enumerated() { columns[i % s.columns] += value }
        for adds in [false, true] {
            withWorkspace { memory in
                let product = memory.matrix(dy, columns: s.columns)
                let activated = memory.matrix(rows: s.rows, columns: s.columns, element)
                let actual = memory.matrix(rows: s.rows, columns: s.columns, element, stride: s.columns + 3)
                let (columnSums, sum) = (memory.buffer(sums), memory.matrix(total, columns: s.columns))
                GELU.backward(
                    product, hidden: memory.matrix(hidden, columns: s.columns, element), activated: activated,
                    gradient: actual, columnSums: adds ? columnSums.base : nil, sum: adds ? sum : nil, rows: s.rows)
                expectStored(
                    activated.array(rows: s.rows), hidden.doubles.map(Naive.gelu), element, within: 1e-6, "activated")
                expectStored(actual.array(rows: s.rows), gradient, element, within: 1e-6, "gradient")
                // Sums are of what was not rounded yet.
                expectClose(columnSums.array, adds ? columns : sums.doubles, within: 1e-5, "column sums")
                expectClose(
                    sum.array(rows: s.rows), adds ? zip(total.doubles, gradient).map(+) : total.doubles, within: 1e-6,
                    "sum")
                expectSameBits(product.array(rows: s.rows), dy, "the product")
                #expect(actual.isUntouchedBetween(rows: s.rows))
            }
        }
    }

    @Test("huge values are their own, or zero, with slopes 1 and 0", arguments: Element.allCases)
    func huge(_ element: Element) {
        let x: [Float] = [
            -.greatestFiniteMagnitude, -1e30, -1e25, -0x1p50, -1e10, -1e6, -1e4, -200, 200, 1e4, 1e6, 1e10, 0x1p50,
            1e30, .greatestFiniteMagnitude / 2,
        ]
        let values = element.rounded(x)
        withWorkspace { memory in
            let hidden = memory.matrix(values, columns: x.count, element)
            let activated = memory.matrix(rows: 1, columns: x.count, element)
            let gradient = memory.matrix(rows: 1, columns: x.count, element)
            let ones = memory.matrix([Float](repeating: 1, count: x.count), columns: x.count)
            GELU.backward(ones, hidden: hidden, activated: activated, gradient: gradient, rows: 1)
            for (i, value) in values.enumerated() {
                #expect(abs(activated.value(0, i) - max(value, 0)) < 1e-20, "at \(value)")
                #expect(abs(gradient.value(0, i) - (value > 0 ? 1 : 0)) < 1e-10, "slope at \(value)")
            }
            let forward = memory.matrix(rows: 1, columns: x.count, element)
            GELU.forward(memory.matrix(values, columns: x.count), hidden: nil, activated: forward, rows: 1)
            expectSameBits(forward.array(rows: 1), activated.array(rows: 1), "forward and backward")
        }
    }

    @Test("NaN passes through, to its own column alone", arguments: Element.allCases)
    func nan(_ element: Element) {
        var x = randomFloats(35, seed: 1)
        (x[17], x[34]) = (.nan, .nan)
        withWorkspace { memory in
            let hidden = memory.matrix(x, columns: 35, element)
            let activated = memory.matrix(rows: 1, columns: 35, element)
            let gradient = memory.matrix(rows: 1, columns: 35, element)
            let sums = memory.buffer([Float](repeating: 0, count: 35))
            GELU.backward(
                memory.matrix([Float](repeating: 1, count: 35), columns: 35), hidden: hidden, activated: activated,
                gradient: gradient, columnSums: sums.base, rows: 1)
            for i in 0..<35 {
                let isNaN = i == 17 || i == 34
                #expect(activated.value(0, i).isNaN == isNaN && gradient.value(0, i).isNaN == isNaN)
                #expect(sums[i].isNaN == isNaN)
            }
        }
    }
}
