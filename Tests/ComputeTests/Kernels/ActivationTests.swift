import Compute
import Glibc
import TestSupport
import Testing

@Suite("GELU, SiLU and the exponential")
struct ActivationTests {
    /// Every vector remainder, and more.
    static let counts = [1, 3, 4, 15, 16, 17, 20, 36, 100, 1028]

    @Test("GELU forward and backward", arguments: counts)
    func gelu(_ count: Int) {
        let x = randomFloats(count, seed: 1, scale: 6)
        let g = randomFloats(count, seed: 2)
        withWorkspace { memory in
            let (input, output, gradient) = (memory.buffer(x), memory.empty(count), memory.buffer(g))
            let (again, sums) = (memory.empty(count), memory.buffer(g))
            func row(_ buffer: FloatBuffer) -> Matrix { Matrix(buffer, columns: count) }
            GELU.forward(row(input), hidden: nil, activated: row(output), rows: 1)
            GELU.backward(
                row(gradient), hidden: row(input), activated: row(again), gradient: row(gradient),
                columnSums: sums.base, rows: 1)
            expectClose(output.array, x.doubles.map(Naive.gelu), within: 1e-6, "GELU")
            expectSameBits(again.array, output.array, "once more")
            expectClose(
                gradient.array, zip(x.doubles, g.doubles).map { Naive.geluSlope($0) * $1 }, within: 1e-6, "gradient")
            expectClose(sums.array, zip(g, gradient.array).map { Double($0 + $1) }, within: 1e-6, "column sums")
            GELU.forward(row(input), hidden: nil, activated: row(input), rows: 1)
            expectSameBits(input.array, output.array, "in place")
        }
    }

    @Test("SiLU forward and backward", arguments: counts)
    func silu(_ count: Int) {
        let x = randomFloats(count, seed: 1, scale: 10)
        let g = randomFloats(count, seed: 2)
        withWorkspace { memory in
            let (input, output, gradient) = (memory.buffer(x), memory.empty(count), memory.buffer(g))
            SiLU.forward(input, into: output, count: count)
            SiLU.backward(input: input, gradient: gradient, count: count)
            expectClose(output.array, x.doubles.map(Naive.silu), within: 1e-6, "SiLU")
            expectClose(
                gradient.array, zip(x.doubles, g.doubles).map { Naive.siluSlope($0) * $1 }, within: 1e-6, "gradient")
            SiLU.forward(input, into: input, count: count)
            expectSameBits(input.array, output.array, "in place")
        }
    }

    @Test("far from zero they are the identity, or zero, and never NaN")
    func extremes() {
        let x: [Float] = [-1e4, -1000, -200, -88, 0, -0.0, 88, 200, 1000, 1e4]
        withWorkspace { memory in
            let (input, gelu, silu) = (memory.buffer(x), memory.empty(x.count), memory.empty(x.count))
            let ones = [Float](repeating: 1, count: x.count)
            let (geluSlope, siluSlope) = (memory.buffer(ones), memory.buffer(ones))
            func row(_ buffer: FloatBuffer) -> Matrix { Matrix(buffer, columns: x.count) }
            GELU.forward(row(input), hidden: nil, activated: row(gelu), rows: 1)
            GELU.backward(
                row(geluSlope), hidden: row(input), activated: row(memory.empty(x.count)), gradient: row(geluSlope),
                rows: 1)
            SiLU.forward(input, into: silu, count: x.count)
            SiLU.backward(input: input, gradient: siluSlope, count: x.count)
            for i in x.indices where x[i] != 0 {
                for value in [gelu[i], silu[i]] { #expect(abs(value - max(x[i], 0)) < 1e-20, "at \(x[i])") }
                for value in [geluSlope[i], siluSlope[i]] {
                    #expect(abs(value - (x[i] > 0 ? 1 : 0)) < 1e-20, "slope at \(x[i])")
                }
            }
            #expect(gelu[4] == 0 && silu[5] == 0 && geluSlope[4] == 0.5 && siluSlope[5] == 0.5)
        }
    }

    @Test("exp within 2 units in the last place from -87 to 88")
    func exponentialAccuracy() {
        var worst = 0.0
        let steps = 2_000_000
        for start in stride(from: 0, to: steps, by: 16) {
            var x = SIMD16<Float>()
            for lane in 0..<16 { x[lane] = -87 + 175 * Float(start + lane) / Float(steps) }
            let y = exponential(x)
            for lane in 0..<16 {
                let exact = exp(Double(x[lane]))
                worst = max(worst, abs(Double(y[lane]) - exact) / Double(Float(exact).ulp))
            }
        }
        #expect(worst < 2, "\(worst) units in the last place")
    }

    @Test("exp is finite and positive beyond its range, 1 at 0, and passes NaN on")
    func exponentialEdges() {
        var x = SIMD16<Float>(repeating: 0)
        for (lane, value) in [-Float.infinity, -1e4, -88, -87.5, 88.5, 89, 1e4, .infinity, .nan].enumerated() {
            x[lane] = value
        }
        // As a flipped bit makes one of a number.
        x[10] = Float(bitPattern: 0x7FC0_0001)
        x[11] = Float(bitPattern: 0xFF80_0F0F)
        let y = exponential(x)
        for lane in 0..<8 { #expect(y[lane].isNormal && y[lane] > 0, "exp(\(x[lane])) = \(y[lane])") }
        for lane in 0..<4 { #expect(y[lane] < 2e-38) }
        for lane in 4..<8 { #expect(y[lane] > 1e38) }
        #expect(y[8].isNaN && y[10].isNaN && y[11].isNaN)
        #expect(y[9] == 1)
    }

    @Test("the naive slopes agree with finite differences")
    func naive() {
        for x in stride(from: -6.0, through: 6, by: 0.37) {
            #expect(abs(finiteDifferences(at: [x]) { Naive.gelu($0[0]) }[0] - Naive.geluSlope(x)) < 1e-8)
            #expect(abs(finiteDifferences(at: [x]) { Naive.silu($0[0]) }[0] - Naive.siluSlope(x)) < 1e-8)
        }
    }
}
