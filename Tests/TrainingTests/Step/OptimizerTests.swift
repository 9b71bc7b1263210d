import Compute
import Jobs
import Model
import TestSupport
import Testing

@testable import Training

@Suite("Optimizer")
struct OptimizerTests {
    private func rates(
        _ schedule: JobConfiguration.Optimizer.Schedule, steps: Int = 10, warmup: Int = 2, final: Double = 0.1
    ) -> [Double] {
        var settings = JobConfiguration.Optimizer()
        settings.learningRate = 8
        settings.schedule = schedule
        settings.warmupSteps = warmup
        settings.finalLearningRate = final
        let optimizer = Optimizer(settings, .init(), steps: steps)
        return (0...steps + 3).map { optimizer.learningRate(step: $0) }
    }

    private func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-12 }

    @Test("warm-up rises in a straight line to the peak", arguments: JobConfiguration.Optimizer.Schedule.allCases)
    func warmup(_ schedule: JobConfiguration.Optimizer.Schedule) {
        let rates = rates(schedule, warmup: 4)
        #expect(Array(rates[0..<4]) == [2, 4, 6, 8])
        // The schedule starts from the peak, right after.
        #expect(rates[4] == 8)
    }

    @Test func constant() {
        #expect(rates(.constant, warmup: 0, final: 0).allSatisfy { $0 == 8 })
    }

    @Test func linear() {
        let rates = rates(.linear)
        #expect(close(rates[2], 8) && close(rates[6], 8 * 0.55) && close(rates[10], 0.8))
        #expect(close(rates[4], 8 * (1 - 0.9 / 4)))
        // Nothing asks beyond the end, but a job that is lengthened must not climb again.
        #expect(rates[11...].allSatisfy { close($0, 0.8) })
    }

    @Test func cosine() {
        let rates = rates(.cosine)
        #expect(close(rates[2], 8) && close(rates[6], 8 * 0.55) && close(rates[10], 0.8))
        // A quarter of the way: (1 + cos(pi / 4)) / 2 of the way from the last to the first.
        #expect(close(rates[4], 8 * (0.1 + 0.9 * (1 + 0.5.squareRoot()) / 2)))
        #expect(rates[11...].allSatisfy { close($0, 0.8) })
        #expect(zip(rates[2..<10], rates[3...10]).allSatisfy { $0 > $1 })
    }

    @Test("a run that is all warm-up", arguments: JobConfiguration.Optimizer.Schedule.allCases)
    func allWarmup(_ schedule: JobConfiguration.Optimizer.Schedule) {
        #expect(rates(schedule, steps: 4, warmup: 4).prefix(4) == [2, 4, 6, 8])
    }

    @Test func averageWarmup() {
        var ema = JobConfiguration.EMA()
        ema.decay = 0.9
        func decays(_ warmup: Bool) -> [Double] {
            ema.warmup = warmup
            let optimizer = Optimizer(.init(), ema, steps: 1000)
            return [0, 1, 10, 79, 80, 81, 999].map { optimizer.emaDecay(step: $0) }
        }
        #expect(decays(false).allSatisfy { $0 == 0.9 })
        // (1 + 80) / (10 + 80) is 0.9.
        let rising: [Double] = [0.1, 2.0 / 11, 11.0 / 20, 80.0 / 89, 0.9, 0.9, 0.9]
        #expect(decays(true) == rising)
    }

    /// The state after each step of one weight, in double, from the paper's formulas (arXiv 1711.05101).
    @Test("steps equal the published update, with this step's rate and decay")
    func update() throws {
        var settings = JobConfiguration.Optimizer()
        (settings.learningRate, settings.weightDecay, settings.beta2) = (0.01, 0.1, 0.99)
        settings.warmupSteps = 2
        var ema = JobConfiguration.EMA()
        (ema.decay, ema.warmup) = (0.5, true)
        let optimizer = Optimizer(settings, ema, steps: 10)
        let engine = try Engine(threads: 2)
        let table = ParameterTable(tinyModel())
        let state = TrainingState(table)
        state.start(TrainingRandom(seed: 1))
        defer { withExtendedLifetime(state) {} }
        let place = try #require(table.parameter(named: "blocks.0.attn.qkv.weight")).range.lowerBound + 5
        let start = Double(state.weights[place])
        var (w, average, m, v) = (start, start, 0.0, 0.0)
        var (c1, c2) = (1.0, 1.0)
        withMemory { memory in
            for step in 0..<4 {
                let gradient = memory.floats(testNormals(table.flatCount, seed: UInt64(step + 1)))
                let g = Double(gradient[place])
                optimizer.apply(engine, gradient: gradient, to: state)
                #expect(state.step == step + 1)
                let rate = [0.005, 0.01, 0.01, 0.01][step]
                (m, v) = (0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g)
                (c1, c2) = (c1 * 0.9, c2 * 0.99)
                w = w * (1 - rate * 0.1) - rate * (m / (1 - c1)) / ((v / (1 - c2)).squareRoot() + 1e-8)
                let decay: Double = [0.1, 2.0 / 11, 0.25, 4.0 / 13][step]
                average = decay * average + (1 - decay) * w
                #expect(abs(Double(state.weights[place]) - w) < 1e-6)
                #expect(abs(Double(state.ema[place]) - average) < 1e-6)
                #expect(abs(Double(state.firstMoment[place]) - m) < 1e-6)
                #expect(abs(Double(state.secondMoment[place]) - v) < 1e-6)
            }
        }
        #expect(abs(w - start) > 0.005, "the weight should have moved")
    }

    /// Wide enough for 19 blocks of slices.
    private let wide = ParameterTable(tinyModel { ($0.width, $0.heads) = (48, 2) })

    @Test("slices updated by their owners have the bits of the whole", arguments: [1, 3, 5, 40])
    func slices(_ ranks: Int) throws {
        var settings = JobConfiguration.Optimizer()
        (settings.learningRate, settings.weightDecay, settings.schedule) = (0.01, 0.1, .cosine)
        var ema = JobConfiguration.EMA()
        ema.decay = 0.5
        let optimizer = Optimizer(settings, ema, steps: 10)
        let engine = try Engine(threads: 2)
        let whole = TrainingState(wide)
        whole.start(TrainingRandom(seed: 1))
        let slices = FlatSlices(count: wide.flatCount, ranks: ranks)
        #expect(slices.counts.filter { $0 > 0 }.count == min(ranks, Reductions.blocks(wide.flatCount)))
        let parts = (0..<ranks).map { TrainingState(wide, slices: slices, rank: $0) }
        for part in parts { part.start(TrainingRandom(seed: 1)) }
        defer { withExtendedLifetime((whole, parts)) {} }
        let start = whole.weights.array
        withMemory { memory in
            for step in 0..<3 {
                let gradient = memory.floats(testNormals(wide.flatCount, seed: UInt64(step + 1)))
                optimizer.apply(engine, gradient: gradient, scale: 0.3, to: whole)
                for part in parts { optimizer.apply(engine, gradient: gradient[part.slice], scale: 0.3, to: part) }
            }
        }
        expectSameBits(parts.flatMap { $0.weights[$0.slice].array }, whole.weights.array, "weights")
        expectSameBits(parts.flatMap { $0.ema.array }, whole.ema.array, "average")
        expectSameBits(parts.flatMap { $0.firstMoment.array }, whole.firstMoment.array, "first moment")
        expectSameBits(parts.flatMap { $0.secondMoment.array }, whole.secondMoment.array, "second moment")
        #expect(parts.allSatisfy { $0.step == 3 && $0.updates == 3 })
        // Others' weights are theirs to change.
        for part in parts {
            #expect((0..<part.slice.lowerBound).allSatisfy { part.weights[$0] == start[$0] })
            #expect((part.slice.upperBound..<wide.flatCount).allSatisfy { part.weights[$0] == start[$0] })
        }
    }

    /// Numbers of PyTorch's `torch.nn.utils.clip_grad_norm_`: max_norm / (norm + 1e-6), 1 at most.
    @Test("a norm beyond the limit is scaled down to it")
    func clipping() {
        func clipping(_ limit: Double?, _ norm: Double) -> Double {
            var settings = JobConfiguration.Optimizer()
            settings.clipNorm = limit
            return Optimizer(settings, .init(), steps: 1).clipping(gradientNorm: norm)
        }
        #expect(clipping(1, 0.5) == 1 && clipping(1, 0) == 1 && clipping(nil, 1e30) == 1)
        #expect(clipping(1, 4) == 1 / 4.000001 && clipping(0.25, 1e-3) == 1 && clipping(1e-7, 0) == 1e-7 / 1e-6)
        // At the limit itself, a little less than 1.
        #expect(clipping(2, 2) == 2 / 2.000001)
        for norm in [1.5, 7, 1e9] { #expect(clipping(1.5, norm) * norm <= 1.5) }
    }

    @Test("the scale multiplies the gradient")
    func scale() throws {
        let engine = try Engine(threads: 1)
        let table = ParameterTable(tinyModel())
        let (scaled, plain) = (TrainingState(table), TrainingState(table))
        defer { withExtendedLifetime((scaled, plain)) {} }
        withMemory { memory in
            let gradient = testNormals(table.flatCount, seed: 4)
            for (state, factor, scale) in [(scaled, Float(8), 0.125), (plain, 1, 1)] {
                state.start(TrainingRandom(seed: 2))
                // A power of two: exact.
                Optimizer(.init(), .init(), steps: 10).apply(
                    engine, gradient: memory.floats(gradient.map { $0 * factor }), scale: scale, to: state)
            }
        }
        expectSameBits(scaled.weights.array, plain.weights.array, "weights")
        expectSameBits(scaled.secondMoment.array, plain.secondMoment.array, "second moment")
    }

    @Test("skipped steps count for the learning rate, not for the moments' bias")
    func updatesAndSteps() throws {
        let engine = try Engine(threads: 1)
        let table = ParameterTable(tinyModel())
        var settings = JobConfiguration.Optimizer()
        settings.learningRate = 0.01
        func weights(after skipped: Int, warmup: Int) -> [Float] {
            settings.warmupSteps = warmup
            let state = TrainingState(table)
            state.start(TrainingRandom(seed: 2))
            state.step = skipped
            withMemory { memory in
                for seed in 5...6 {
                    Optimizer(settings, .init(), steps: 100).apply(
                        engine, gradient: memory.floats(testNormals(table.flatCount, seed: UInt64(seed))), to: state)
                }
            }
            #expect(state.step == skipped + 2 && state.updates == 2)
            return withExtendedLifetime(state) { state.weights.array }
        }
        let plain = weights(after: 0, warmup: 0)
        expectSameBits(weights(after: 7, warmup: 0), plain, "constant rate")
        // 8 and 9 of 8 steps of warm-up: the peak, where the first steps of it have an eighth.
        expectSameBits(weights(after: 7, warmup: 8), plain, "after the warm-up")
        #expect(weights(after: 0, warmup: 8) != plain)
    }

    @Test("a start forgets what was there")
    func start() {
        let state = TrainingState(ParameterTable(tinyModel()))
        for flat in [state.weights, state.ema, state.firstMoment, state.secondMoment] { flat.fill(7) }
        (state.step, state.updates, state.skippedInARow) = (9, 8, 1)
        state.start(TrainingRandom(seed: 3))
        let fresh = TrainingState(state.table)
        defer { withExtendedLifetime((state, fresh)) {} }
        fresh.start(TrainingRandom(seed: 3))
        #expect(state.step == 0 && state.updates == 0 && state.skippedInARow == 0)
        #expect(state.weights.array == fresh.weights.array)
        #expect(state.ema.array == state.weights.array)
        #expect(state.firstMoment.array.allSatisfy { $0 == 0 } && state.secondMoment.array.allSatisfy { $0 == 0 })
    }
}
