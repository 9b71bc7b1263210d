import Compute
import TestSupport
import Testing

@Suite("Gate")
struct GateTests {
    /// Rows per sample of a stretch: all of one sample, or several samples in it.
    static let perSample = [1, 2, 5]

    @Test("forward, with all that it can leave", arguments: RowShape.sweep, perSample)
    func forward(_ s: RowShape, _ perSample: Int) {
        let samples = (s.rows + perSample - 1) / perSample
        let stride = 3 * s.columns
        let (x, p) = (randomFloats(s.count, seed: 1), randomFloats(s.count, seed: 2))
        let (bias, gates) = (randomFloats(s.columns, seed: 3), randomFloats(samples * stride, seed: 4))
        let branch = (0..<s.count).map { p[$0] + bias[$0 % s.columns] }
        let sum = (0..<s.count).map { i in
            x[i].addingProduct(gates[i / s.columns / perSample * stride + i % s.columns], branch[i])
        }
        for (element, leaves, keptStride) in [
            (Element.float32, false, s.columns), (.float32, true, s.columns + 3), (.bfloat16, true, s.columns + 3),
            // Rows that begin with a cache line each are stored another way.
            (.float32, true, (s.columns + 15) / 16 * 16), (.bfloat16, true, (s.columns + 31) / 32 * 32),
        ] {
            withWorkspace { memory in
                let stream = memory.matrix(x, columns: s.columns)
                let kept = memory.matrix(rows: s.rows, columns: s.columns, element, stride: keptStride)
                Gate.forward(
                    stream: stream, product: memory.matrix(p, columns: s.columns), bias: memory.buffer(bias).base,
                    gate: SampleVectors(memory.buffer(gates).base, stride: stride, rowsPerSample: perSample),
                    branch: leaves ? kept : nil, rows: s.rows)
                expectSameBits(stream.array(rows: s.rows), sum, "stream")
                guard leaves else { return }
                expectSameBits(kept.array(rows: s.rows), element.rounded(branch), "branch")
                #expect(kept.isUntouchedBetween(rows: s.rows))
            }
        }
    }

    @Test("backward adds to the gate's gradient and to column sums", arguments: RowShape.sweep, perSample)
    func backward(_ s: RowShape, _ perSample: Int) {
        let samples = (s.rows + perSample - 1) / perSample
        let stride = 2 * s.columns
        let (dy, gates) = (randomFloats(s.count, seed: 1), randomFloats(samples * stride, seed: 2))
        let (before, sums) = (randomFloats(samples * stride, seed: 3), randomFloats(s.columns, seed: 4))
        for element in Element.allCases {
            let branch = element.rounded(randomFloats(s.count, seed: 5))
            var (gateGradient, columnSums) = (before, sums)
            let own = (0..<s.count).map { i in
                let place = i / s.columns / perSample * stride + i % s.columns
                gateGradient[place].addProduct(dy[i], branch[i])
                columnSums[i % s.columns] += dy[i] * gates[place]
                return dy[i] * gates[place]
            }
            withWorkspace { memory in
                let gradient = memory.matrix(dy, columns: s.columns)
                let actual = memory.matrix(rows: s.rows, columns: s.columns, element)
                let (actualGate, actualSums) = (memory.buffer(before), memory.buffer(sums))
                Gate.backward(
                    gradient: gradient,
                    gate: SampleVectors(memory.buffer(gates).base, stride: stride, rowsPerSample: perSample),
                    branch: memory.matrix(branch, columns: s.columns, element),
                    gateGradient: SampleVectors(actualGate.base, stride: stride, rowsPerSample: perSample),
                    branchGradient: actual, columnSums: actualSums.base, rows: s.rows)
                expectSameBits(actual.array(rows: s.rows), element.rounded(own), "branch gradient")
                // What lies between the samples' vectors too.
                expectSameBits(actualGate.array, gateGradient, "gate gradient")
                expectSameBits(actualSums.array, columnSums, "column sums")
                expectSameBits(gradient.array(rows: s.rows), dy, "the gradient")
            }
        }
    }
}
