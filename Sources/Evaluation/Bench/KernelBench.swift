import Compute

/// How fast the kernels are on this machine, as training calls them.
public struct KernelBench {
    public struct Line: Codable, Equatable, Sendable {
        public let kernel: String
        /// Rows, columns and the like.
        public let shape: String
        public let value: Double
        /// `GFLOP/s`, or `ns/element` over all threads together.
        public let unit: String
    }

    private let engine: Engine
    private let seconds: Double
    private let clock = ContinuousClock()

    /// - Parameter seconds: spent on each kernel; the fastest repetition counts.
    public init(engine: Engine, seconds: Double = 0.5) {
        self.engine = engine
        self.seconds = seconds
    }

    public func run(_ report: (Line) -> Void) {
        report(peak())
        for (rows, inputs, outputs) in [(2048, 128, 512), (4096, 384, 1536), (4096, 1536, 384), (2048, 1152, 4608)] {
            for line in linear(rows: rows, inputs: inputs, outputs: outputs) { report(line) }
        }
        for line in attention(samples: 64, tokens: 16, heads: 4, headWidth: 32) { report(line) }
        for line in attention(samples: 8, tokens: 256, heads: 6, headWidth: 64) { report(line) }
        for line in elementwise(rows: 4096, width: 384) { report(line) }
    }

    private func peak() -> Line {
        let rounds = 2_000_000
        var sink: Float = 0
        let time = best { sink += PeakLoop.run(engine, rounds: rounds) }
        let operations = PeakLoop.operations(rounds: rounds, threads: engine.pool.threadCount)
        return Line(
            kernel: "multiply-adds on registers" + (sink.isNaN ? " (NaN)" : ""),
            shape: "\(engine.pool.threadCount) threads", value: operations / time / 1e9, unit: "GFLOP/s")
    }

    private func linear(rows: Int, inputs: Int, outputs: Int) -> [Line] {
        let layer = Linear(inputs: inputs, outputs: outputs)
        let padded = Tiling.tokens.padded(rows)
        let (arena, b) = Arena.build("bench") { arena in
            (
                x: arena.take(padded * inputs), w: arena.take(outputs * inputs), y: arena.take(padded * outputs),
                dw: arena.take(outputs * inputs)
            )
        }
        fill(b.x)
        fill(b.w)
        let work = 2 * Double(rows) * Double(inputs) * Double(outputs)
        func line(_ kernel: String, _ body: () -> Void) -> Line {
            Line(
                kernel: kernel, shape: "\(rows) x \(inputs) x \(outputs)", value: work / best(body) / 1e9,
                unit: "GFLOP/s")
        }
        return withExtendedLifetime(arena) {
            [
                line("sgemm, linear forward") {
                    layer.forward(engine, input: b.x, weight: b.w, output: b.y, rows: rows)
                },
                line("sgemm, linear input gradient") {
                    layer.backwardInput(engine, outputGradient: b.y, weight: b.w, inputGradient: b.x, rows: rows)
                },
                line("sgemm, linear weight gradient") {
                    layer.backwardWeight(engine, input: b.x, outputGradient: b.y, weightGradient: b.dw, rows: rows)
                },
            ]
        }
    }

    private func attention(samples: Int, tokens: Int, heads: Int, headWidth: Int) -> [Line] {
        let attention = Attention(tokens: tokens, heads: heads, headWidth: headWidth)
        let width = heads * headWidth
        let (arena, b) = Arena.build("bench") { arena in
            (
                qkv: arena.take(samples * tokens * 3 * width), output: arena.take(samples * tokens * width),
                gradient: arena.take(samples * tokens * 3 * width),
                scratch: arena.take(attention.scratchPerThread * engine.pool.threadCount)
            )
        }
        fill(b.qkv)
        let products = 2 * Double(samples * heads) * Double(tokens * tokens) * Double(headWidth)
        func line(_ kernel: String, _ count: Double, _ body: () -> Void) -> Line {
            Line(
                kernel: kernel, shape: "\(samples) x \(tokens) tokens x \(heads) heads of \(headWidth)",
                value: count * products / best(body) / 1e9, unit: "GFLOP/s")
        }
        return withExtendedLifetime(arena) {
            [
                line("attention forward", 2) {
                    attention.forward(engine, qkv: b.qkv, output: b.output, scratch: b.scratch, samples: samples)
                },
                line("attention backward", 5) {
                    attention.backward(
                        engine, qkv: b.qkv, outputGradient: b.output, qkvGradient: b.gradient, scratch: b.scratch,
                        samples: samples)
                },
            ]
        }
    }

    private func elementwise(rows: Int, width: Int) -> [Line] {
        let samples = rows / 256
        let norm = ModulatedNorm(width: width, tokens: 256, modulationStride: 6 * width)
        let (arena, b) = Arena.build("bench") { arena in
            (
                x: arena.take(rows * width), y: arena.take(rows * width), z: arena.take(rows * width),
                u: arena.take(rows * width), v: arena.take(rows * width), modulation: arena.take(samples * 6 * width),
                statistics: arena.take(2 * rows), sums: arena.takeDoubles(rows * width)
            )
        }
        fill(b.x)
        fill(b.y)
        let whole = 0..<rows * width
        let stretches = OrderFreeSum.stretches(of: [whole])
        var maxima = [Float](repeating: 0, count: stretches.count)
        func line(_ kernel: String, _ body: () -> Void) -> Line {
            Line(
                kernel: kernel, shape: "\(rows) x \(width)", value: best(body) / Double(rows * width) * 1e9,
                unit: "ns/element")
        }
        let adam = AdamW(
            learningRate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, emaDecay: 0.999)
        return withExtendedLifetime(arena) {
            [
                line("modulated LayerNorm forward") {
                    norm.forward(
                        engine, input: b.x, shift: b.modulation, scale: b.modulation, statistics: b.statistics,
                        output: b.y, rows: rows)
                },
                line("modulated LayerNorm backward") {
                    norm.backward(
                        engine, input: b.x, statistics: b.statistics, scale: b.modulation, outputGradient: b.y,
                        inputGradient: b.z, shiftGradient: b.modulation, scaleGradient: b.modulation,
                        samples: samples)
                },
                line("tanh-GELU") {
                    engine.pool.parallelRanges(rows * width, grain: 8_192) { range, _ in
                        GELU.forward(
                            b.x.base + range.lowerBound, into: b.y.base + range.lowerBound, count: range.count)
                    }
                },
                line("order-free sum of gradients") {
                    maxima.withUnsafeMutableBufferPointer {
                        OrderFreeSum.add(
                            engine, b.u, to: b.sums, isFirst: false, tensors: [.init(range: whole, exponent: -40)],
                            stretches: stretches, maxima: $0)
                    }
                },
                line("AdamW and EMA") {
                    adam.apply(
                        engine, gradient: b.x,
                        to: .init(weights: b.y, firstMoment: b.z, secondMoment: b.u, ema: b.v), step: 1)
                },
            ]
        }
    }

    private func fill(_ buffer: FloatBuffer) {
        RandomStream(seed: 1, purpose: 0).normals(into: buffer.base, count: buffer.count)
    }

    /// Seconds of the fastest repetition.
    private func best(_ body: () -> Void) -> Double {
        body()
        var fastest = Double.infinity
        let end = clock.now + .seconds(seconds)
        repeat {
            let begin = clock.now
            body()
            let duration = (clock.now - begin).components
            fastest = min(fastest, Double(duration.seconds) + Double(duration.attoseconds) * 1e-18)
        } while clock.now < end
        return fastest
    }
}
