import Compute
import Model

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

    /// What a layer of the network multiplies: panels by packed weights, and sums over rows.
    private func linear(rows: Int, inputs: Int, outputs: Int) -> [Line] {
        let (panel, element) = (BatchCut.Shape.usualRows, engine.precision.element)
        let layout = TileLayout.outputGradient(engine, rows: rows, columns: outputs, depth: inputs)
        let inputLayout = TileLayout.input(engine, rows: rows, columns: inputs)
        let (arena, b) = Arena.build("bench") { arena in
            (
                x: arena.take(rows: rows, columns: inputs, element), w: arena.take(outputs * inputs),
                y: arena.take(rows * outputs), dx: arena.take(rows * inputs),
                dy: TiledRows(arena, layout, element), summed: TiledRows(arena, inputLayout, element),
                gradient: arena.take(rows: rows, columns: outputs, element), dw: arena.take(outputs * inputs),
                forward: PackedWeight(
                    engine, arena, inputs: inputs, outputs: outputs, transposed: true, stride: inputs,
                    typicalRows: panel),
                backward: PackedWeight(
                    engine, arena, inputs: outputs, outputs: inputs, transposed: false, stride: inputs,
                    typicalRows: panel)
            )
        }
        fill(b.w)
        for weight in [b.forward, b.backward] {
            weight.prepare(rows: panel)
            weight.load(b.w.base)
        }
        let sums = WeightGradient.products(engine, layout, inputLayout, rows: rows)
        let gradient = WeightGradient(b.dy, b.summed)
        let work = 2 * Double(rows) * Double(inputs) * Double(outputs)
        func line(_ kernel: String, _ body: () -> Void) -> Line {
            Line(
                kernel: kernel, shape: "\(rows) x \(inputs) x \(outputs)", value: work / best(body) / 1e9,
                unit: "GFLOP/s")
        }
        return withExtendedLifetime(arena) {
            [
                line("product, linear forward") {
                    engine.pool.parallelFor(rows / panel) { task, worker in
                        b.forward.multiply(
                            b.x.from(task * panel),
                            into: Matrix(b.y, columns: outputs).from(task * panel), rows: panel, worker: worker)
                    }
                },
                line("product, linear input gradient") {
                    engine.pool.parallelFor(rows / panel) { task, worker in
                        b.backward.multiply(
                            b.gradient.from(task * panel),
                            into: Matrix(b.dx, columns: inputs).from(task * panel), rows: panel, worker: worker)
                    }
                },
                line("product, linear weight gradient") {
                    engine.pool.parallelFor(gradient.tasks) { task, worker in
                        gradient.run(sums, into: b.dw, task: task, worker: worker)
                    }
                },
            ]
        }
    }

    private func attention(samples: Int, tokens: Int, heads: Int, headWidth: Int) -> [Line] {
        let width = heads * headWidth
        let (rows, part) = (samples * tokens, samples * tokens * width)
        let element = engine.precision.element
        let (arena, b) = Arena.build("bench") { arena in
            (
                attention: Attention(
                    engine, arena, Heads(tokens: tokens, heads: heads, headWidth: headWidth), samples: samples,
                    training: true),
                qkv: arena.take(rows: rows, columns: 3 * width, element),
                output: arena.take(rows: rows, columns: width, element),
                gradient: arena.take(rows: rows, columns: width, element),
                qkvGradient: arena.take(rows: rows, columns: 3 * width, element),
                logSums: arena.take(rows * heads), values: arena.take(3 * part)
            )
        }
        fill(b.values)
        Rows.copy(Matrix(b.values, columns: 3 * width), to: b.qkv, rows: rows)
        b.attention.prepare(samples: samples)
        let pass = Attention.Pass(
            qkv: b.qkv, partElements: part, attended: b.output, logSums: b.logSums, samples: samples)
        let products = 2 * Double(samples * heads) * Double(tokens * tokens) * Double(headWidth)
        func line(_ kernel: String, _ count: Double, _ body: (_ task: Int, _ worker: Int) -> Void) -> Line {
            let tasks = b.attention.tasks(samples: samples)
            return Line(
                kernel: kernel, shape: "\(samples) x \(tokens) tokens x \(heads) heads of \(headWidth)",
                value: count * products / best { engine.pool.parallelFor(tasks, body) } / 1e9, unit: "GFLOP/s")
        }
        return withExtendedLifetime(arena) {
            [
                line("attention forward", 2) { b.attention.forward(pass, task: $0, worker: $1) },
                line("attention backward", 5) {
                    b.attention.backward(
                        pass, gradient: b.gradient, qkvGradient: b.qkvGradient, task: $0, worker: $1)
                },
            ]
        }
    }

    private func elementwise(rows: Int, width: Int) -> [Line] {
        let (panel, element) = (BatchCut.Shape.usualRows, engine.precision.element)
        let (arena, b) = Arena.build("bench") { arena in
            (
                x: arena.take(rows * width), y: arena.take(rows * width), z: arena.take(rows * width),
                u: arena.take(rows * width), v: arena.take(rows * width), vectors: arena.take(6 * width),
                statistics: arena.take(2 * rows), sums: arena.takeDoubles(rows * width), row: arena.take(width),
                input: arena.take(rows: rows, columns: width, element),
                output: arena.take(rows: rows, columns: width, element)
            )
        }
        fill(b.x)
        fill(b.y)
        Rows.copy(Matrix(b.x, columns: width), to: b.input, rows: rows)
        let whole = 0..<rows * width
        let stretches = OrderFreeSum.stretches(of: [whole])
        var maxima = [Float](repeating: 0, count: stretches.count)
        func line(_ kernel: String, _ body: () -> Void) -> Line {
            Line(
                kernel: kernel, shape: "\(rows) x \(width)", value: best(body) / Double(rows * width) * 1e9,
                unit: "ns/element")
        }
        func panels(_ body: (_ row: Int) -> Void) {
            engine.pool.parallelFor(rows / panel) { task, _ in body(task * panel) }
        }
        func matrix(_ buffer: FloatBuffer, _ row: Int) -> Matrix { Matrix(buffer, columns: width).from(row) }
        let vectors = (0..<6).map { SampleVectors(b.vectors.base + $0 * width, stride: 0, rowsPerSample: rows) }
        let adam = AdamW(
            learningRate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, emaDecay: 0.999)
        return withExtendedLifetime(arena) {
            [
                line("modulated LayerNorm forward") {
                    panels { row in
                        ModulatedNorm.forward(
                            matrix(b.x, row), shift: vectors[0], scale: vectors[1],
                            statistics: b.statistics.base + 2 * row, output: b.output.from(row), rows: panel)
                    }
                },
                line("modulated LayerNorm backward, one thread") {
                    ModulatedNorm.backward(
                        .init(b.input), statistics: b.statistics.base, shift: vectors[0], scale: vectors[1],
                        outputGradient: matrix(b.y, 0), gradient: matrix(b.z, 0), shiftGradient: vectors[2],
                        scaleGradient: vectors[3], output: b.output, scratch: b.row.base, rows: rows)
                },
                line("tanh-GELU forward") {
                    panels { row in
                        GELU.forward(
                            matrix(b.x, row), hidden: b.input.from(row), activated: b.output.from(row), rows: panel)
                    }
                },
                line("tanh-GELU backward") {
                    panels { row in
                        GELU.backward(
                            matrix(b.y, row), hidden: b.input.from(row), activated: b.output.from(row),
                            gradient: b.output.from(row), rows: panel)
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
