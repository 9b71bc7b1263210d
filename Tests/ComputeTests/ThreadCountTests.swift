import Compute
import TestSupport
import Testing

/// Everything that runs on a pool, at a shape of several tasks. (Weight gradients: `WeightGradientTests`.)
enum ParallelKernel: String, CaseIterable, Sendable {
    case linearForward, linearBackwardInput, linearBackwardWeight
    case attention, shortAttention
    case adamW, squares, add, copy

    /// What the kernel leaves, on an engine of any number of threads.
    func run(_ engine: Engine) -> [Float] {
        withWorkspace { memory in
            let (rows, padded) = (19, Linear.padded(19))
            let linear = Linear(inputs: 100, outputs: 2500)
            var seed: UInt64 = 0
            func random(_ count: Int, holding whole: Int? = nil) -> FloatBuffer {
                seed += 1
                return memory.buffer(randomFloats(count, seed: seed), count: whole)
            }
            func attend(_ c: AttentionCase) -> [Float] {
                let element = engine.precision.element
                let result = c.run(engine, c.qkv(element), c.gradient(element))
                return result.output + result.logSums + result.qkvGradient
            }

            switch self {
            case .linearForward:
                let output = memory.empty(padded * 2500)
                linear.forward(
                    engine, input: random(rows * 100, holding: padded * 100), weight: random(250_000),
                    bias: random(2500), output: output, rows: rows)
                return output.slice(0, rows * 2500).array
            case .linearBackwardInput:
                let wide = Linear(inputs: 2500, outputs: 100)
                let gradient = random(rows * 2500)
                wide.backwardInput(
                    engine, outputGradient: random(rows * 100), weight: random(250_000), inputGradient: gradient,
                    rows: rows, accumulate: true)
                return gradient.array
            case .linearBackwardWeight:
                let (weight, bias) = (random(250_000), random(2500))
                linear.backwardWeight(
                    engine, input: random(rows * 100), outputGradient: random(rows * 2500), weightGradient: weight,
                    biasGradient: bias, rows: rows)
                return weight.array + bias.array
            case .attention: return attend(AttentionCase(3, 150, 5, 20))
            case .shortAttention: return attend(AttentionCase(7, 64, 3, 20))
            case .adamW:
                let buffers = (0..<4).map { _ in random(50_001) }
                for i in 0..<50_001 { buffers[2][i] = abs(buffers[2][i]) }
                AdamWTests.optimizers[1].apply(
                    engine, gradient: random(50_001),
                    to: .init(weights: buffers[0], firstMoment: buffers[1], secondMoment: buffers[2], ema: buffers[3]),
                    step: 3)
                return buffers.flatMap(\.array)
            case .squares:
                var partial = [Double](repeating: 0, count: Reductions.blocks(50_001))
                partial.withUnsafeMutableBufferPointer { Reductions.squares(engine, random(50_001), into: $0) }
                // Both halves of each double, so that all its bits count.
                return partial.flatMap {
                    [
                        Float(bitPattern: UInt32($0.bitPattern >> 32)),
                        Float(bitPattern: UInt32($0.bitPattern & 0xFFFF_FFFF)),
                    ]
                }
            case .add:
                let target = random(50_001)
                Elementwise.add(engine, random(50_001), to: target, count: 50_001)
                return target.array
            case .copy:
                let target = memory.empty(1_100_001)
                #expect(Reductions.copy(engine, random(1_100_001), to: target))
                return target.array
            }
        }
    }

}

@Suite("The number of threads")
struct ThreadCountTests {
    private func expectSame(_ kernel: ParallelKernel, _ arithmetic: Arithmetic) throws {
        let one = kernel.run(try arithmetic.engine(threads: 1))
        for threads in [2, 3] {
            expectSameBits(
                kernel.run(try arithmetic.engine(threads: threads)), one, "\(kernel.rawValue), \(threads) threads")
        }
    }

    @Test("does not change a bit", arguments: ParallelKernel.allCases, Arithmetic.float32)
    func float32(_ kernel: ParallelKernel, _ arithmetic: Arithmetic) throws { try expectSame(kernel, arithmetic) }

    @Test("in bfloat16 neither", arguments: [ParallelKernel.attention, .shortAttention], Arithmetic.bfloat16)
    func bfloat16(_ kernel: ParallelKernel, _ arithmetic: Arithmetic) throws { try expectSame(kernel, arithmetic) }
}
