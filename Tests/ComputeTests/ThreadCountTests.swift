import Compute
import TestSupport
import Testing

/// Every kernel that runs on a pool, at a shape of several tasks.
enum ParallelKernel: String, CaseIterable, Sendable {
    case linearForward, linearBackwardInput, linearBackwardWeight
    case normForward, normBackward, gateForward, gateBackward
    case attentionForward, attentionBackward
    case adamW, squares, add, addRows

    /// What the kernel leaves, on an engine of any number of threads.
    func run(_ engine: Engine) -> [Float] {
        withWorkspace { memory in
            let (samples, tokens, width) = (3, 150, 100)
            let rows = samples * tokens
            let padded = Tiling.tokens.padded(rows)
            let linear = Linear(inputs: 100, outputs: 1500)
            let norm = ModulatedNorm(width: width, tokens: tokens, modulationStride: width)
            let gate = Gate(width: width, tokens: tokens, modulationStride: width)
            let attention = Attention(tokens: tokens, heads: 5, headWidth: 20)
            var seed: UInt64 = 0
            func random(_ count: Int, holding whole: Int? = nil) -> FloatBuffer {
                seed += 1
                return memory.buffer(randomFloats(count, seed: seed), count: whole)
            }
            let statistics = memory.empty(2 * rows)
            let scratch = memory.empty(attention.scratchPerThread * engine.pool.threadCount)

            switch self {
            case .linearForward:
                let (output, activated) = (memory.empty(padded * 1500), memory.empty(padded * 1500))
                linear.forward(
                    engine, input: random(rows * 100, holding: padded * 100), weight: random(150_000),
                    bias: random(1500), addend: random(rows * 1500), output: output, activated: activated, rows: rows)
                return output.slice(0, rows * 1500).array + activated.slice(0, rows * 1500).array
            case .linearBackwardInput:
                let gradient = random(rows * 100, holding: padded * 100)
                linear.backwardInput(
                    engine, outputGradient: random(rows * 1500, holding: padded * 1500), weight: random(150_000),
                    inputGradient: gradient, rows: rows, accumulate: true)
                return gradient.slice(0, rows * 100).array
            case .linearBackwardWeight:
                let (weight, bias) = (random(150_000), random(1500))
                linear.backwardWeight(
                    engine, input: random(rows * 100), outputGradient: random(rows * 1500), weightGradient: weight,
                    biasGradient: bias, rows: rows)
                return weight.array + bias.array
            case .normForward:
                let (output, sum) = (memory.empty(rows * width), memory.empty(rows * width))
                norm.forward(
                    engine, input: random(rows * width),
                    residual: .init(gate: random(samples * width), branch: random(rows * width), sum: sum),
                    shift: random(samples * width), scale: random(samples * width), statistics: statistics,
                    output: output, rows: rows)
                return output.array + sum.array + statistics.array
            case .normBackward:
                let input = random(rows * width)
                norm.forward(
                    engine, input: input, shift: random(samples * width), scale: random(samples * width),
                    statistics: statistics, output: memory.empty(rows * width), rows: rows)
                let gradients = [random(rows * width), random(samples * width), random(samples * width)]
                let (gateGradient, branchGradient) = (random(samples * width), memory.empty(rows * width))
                norm.backward(
                    engine, input: input, statistics: statistics, scale: random(samples * width),
                    outputGradient: random(rows * width), inputGradient: gradients[0], shiftGradient: gradients[1],
                    scaleGradient: gradients[2],
                    residual: .init(
                        gate: random(samples * width), branch: random(rows * width), gateGradient: gateGradient,
                        branchGradient: branchGradient),
                    samples: samples)
                return gradients.flatMap(\.array) + gateGradient.array + branchGradient.array
            case .gateForward:
                let output = memory.empty(rows * width)
                gate.forward(
                    engine, input: random(rows * width), gate: random(samples * width), branch: random(rows * width),
                    output: output, rows: rows)
                return output.array
            case .gateBackward:
                let (gateGradient, branchGradient) = (random(samples * width), memory.empty(rows * width))
                gate.backward(
                    engine, outputGradient: random(rows * width), gate: random(samples * width),
                    branch: random(rows * width), gateGradient: gateGradient, branchGradient: branchGradient,
                    samples: samples)
                return gateGradient.array + branchGradient.array
            case .attentionForward:
                let output = memory.empty(rows * width)
                attention.forward(
                    engine, qkv: random(rows * 3 * width), output: output, scratch: scratch, samples: samples)
                return output.array
            case .attentionBackward:
                let gradient = memory.empty(rows * 3 * width)
                attention.backward(
                    engine, qkv: random(rows * 3 * width), outputGradient: random(rows * width),
                    qkvGradient: gradient, scratch: scratch, samples: samples)
                return gradient.array
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
            case .addRows:
                let target = random(rows * width)
                Elementwise.addRows(
                    engine, random(tokens * width), period: tokens, to: target, rows: rows, columns: width)
                return target.array
            }
        }
    }
}

@Suite("The number of threads")
struct ThreadCountTests {
    @Test("does not change a bit", arguments: ParallelKernel.allCases)
    func bits(_ kernel: ParallelKernel) throws {
        let one = kernel.run(try Engine(threads: 1))
        for threads in [2, 3] {
            expectSameBits(kernel.run(try Engine(threads: threads)), one, "\(kernel.rawValue), \(threads) threads")
        }
    }
}
