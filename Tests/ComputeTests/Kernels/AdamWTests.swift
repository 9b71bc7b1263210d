import Compute
import Glibc
import TestSupport
import Testing

@Suite("AdamW and the moving average")
struct AdamWTests {
    /// PyTorch's AdamW, then the average, in double.
    struct Reference {
        var weights, m, v, ema: [Double]

        mutating func apply(_ o: AdamW, gradient: [Double], step: Int) {
            let c1 = 1 - pow(o.beta1, Double(step))
            let c2 = 1 - pow(o.beta2, Double(step))
            for i in weights.indices {
                weights[i] *= 1 - o.learningRate * o.weightDecay
                m[i] = o.beta1 * m[i] + (1 - o.beta1) * gradient[i]
                v[i] = o.beta2 * v[i] + (1 - o.beta2) * gradient[i] * gradient[i]
                weights[i] -= o.learningRate / c1 * m[i] / ((v[i] / c2).squareRoot() + o.epsilon)
                ema[i] = o.emaDecay * ema[i] + (1 - o.emaDecay) * weights[i]
            }
        }
    }

    static let optimizers = [
        AdamW(learningRate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, emaDecay: 0.9999),
        AdamW(learningRate: 3e-2, beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.1, emaDecay: 0.9),
    ]

    @Test("follows a double reference over several steps", arguments: optimizers, [1, 17, 100, 8192, 20_001])
    func steps(_ optimizer: AdamW, _ count: Int) throws {
        let engine = try Engine(threads: 2)
        let weights = randomFloats(count, seed: 1)
        let average = randomFloats(count, seed: 2)
        let zeros = [Double](repeating: 0, count: count)
        var reference = Reference(weights: weights.doubles, m: zeros, v: zeros, ema: average.doubles)
        withWorkspace { memory in
            let state = AdamW.State(
                weights: memory.buffer(weights), firstMoment: memory.buffer(zeros.map { Float($0) }),
                secondMoment: memory.buffer(zeros.map { Float($0) }), ema: memory.buffer(average))
            for step in 1...7 {
                let gradient = randomFloats(count, seed: UInt64(10 + step), scale: 2)
                optimizer.apply(
                    engine, gradient: memory.buffer(gradient), gradientScale: 0.5, to: state, step: step)
                reference.apply(optimizer, gradient: gradient.map { Double($0) * 0.5 }, step: step)
            }
            expectClose(state.weights.array, reference.weights, within: 1e-6, "weights")
            expectClose(state.firstMoment.array, reference.m, within: 2e-6, "first moment")
            // 1 - Float(0.999) differs from Float(1 - 0.999) by 1e-5 of itself; one step's share of it shows.
            expectClose(state.secondMoment.array, reference.v, within: 2e-6, "second moment")
            expectClose(state.ema.array, reference.ema, within: 1e-6, "average")
            // What the steps changed, not only where they ended.
            let change = zip(state.weights.array, weights).map { $0 - $1 }
            expectClose(change, zip(reference.weights, weights.doubles).map { $0 - $1 }, within: 5e-4, "change")
        }
    }

    /// Float(0.9999) + Float(0.0001) is not 1: multiplied apart, the average would settle 1.7e-4 of itself too low.
    @Test("the average of weights that jitter settles at their mean")
    func steadyAverage() throws {
        let engine = try Engine(threads: 1)
        var optimizer = Self.optimizers[0]
        optimizer.learningRate = 0
        let center = (0..<16).map { 1 + Float($0) / 16 }
        withWorkspace { memory in
            let zeros = [Float](repeating: 0, count: 16)
            let state = AdamW.State(
                weights: memory.empty(16), firstMoment: memory.buffer(zeros), secondMoment: memory.buffer(zeros),
                ema: memory.buffer(center))
            let gradient = memory.buffer(zeros)
            var expected = center.doubles
            for step in 1...30_000 {
                let weights = zip(center, randomFloats(16, seed: UInt64(step))).map { $0 * (1 + 0.1 * $1) }
                state.weights.copy(from: weights)
                optimizer.apply(engine, gradient: gradient, to: state, step: step)
                for i in expected.indices {
                    expected[i] += (1 - optimizer.emaDecay) * (Double(weights[i]) - expected[i])
                }
            }
            expectClose(state.ema.array, expected, within: 2e-5, "average")
        }
    }

    /// 1 - rate * decay is a multiple of 6e-8: multiplied by it, weights would decay by another rate.
    @Test("a small decay is that of the weight, not of a rounded factor", arguments: [3.3e-7, 1e-5])
    func smallDecay(_ rate: Double) throws {
        let optimizer = AdamW(
            learningRate: rate * 10, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, emaDecay: 0.9)
        let weights = randomFloats(20_000, seed: 1)
        let zeros = [Float](repeating: 0, count: weights.count)
        let engine = try Engine(threads: 1)
        withWorkspace { memory in
            let state = AdamW.State(
                weights: memory.buffer(weights), firstMoment: memory.buffer(zeros), secondMoment: memory.buffer(zeros),
                ema: memory.buffer(weights))
            optimizer.apply(engine, gradient: memory.buffer(zeros), to: state, step: 1)
            let decay = Float(-(rate * 10) * 0.1)
            expectSameBits(state.weights.array, weights.map { $0.addingProduct(decay, $0) }, "weights")
            let lost = zip(weights.doubles, state.weights.array.doubles).reduce(0) { $0 + abs($1.0) - abs($1.1) }
            let share = lost / weights.doubles.reduce(0) { $0 + abs($1) }
            #expect(abs(share - rate) < 0.02 * rate, "\(share)")
        }
    }

    @Test("padding stays zero")
    func padding() throws {
        let engine = try Engine(threads: 1)
        withWorkspace { memory in
            let zeros = [Float](repeating: 0, count: 21)
            let buffers = (0..<4).map { _ in memory.buffer(zeros) }
            let state = AdamW.State(
                weights: buffers[0], firstMoment: buffers[1], secondMoment: buffers[2], ema: buffers[3])
            for step in 1...3 {
                Self.optimizers[1].apply(engine, gradient: memory.buffer(zeros), to: state, step: step)
            }
            for buffer in buffers { #expect(buffer.array.allSatisfy { $0 == 0 }) }
        }
    }
}
