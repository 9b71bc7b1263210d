import Jobs
import Model
import TestSupport
import Testing

@testable import Training

@Suite("Random values of training")
struct TrainingRandomTests {
    private let random = TrainingRandom(seed: 11)

    private func noise(_ random: TrainingRandom, step: Int, sample: Int, count: Int = 33) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            if let base = buffer.baseAddress { random.noise(step: step, sample: sample, into: base, count: count) }
            initialized = count
        }
    }

    /// Everything that is drawn at one position.
    private struct Values: Equatable {
        let timestep: Double
        let noise: [Float]
        let drops, flips: Bool
        let iterations: Iterations
    }

    private func values(_ random: TrainingRandom, _ step: Int, _ sample: Int) -> Values {
        Values(
            timestep: random.timestep(step: step, sample: sample), noise: noise(random, step: step, sample: sample),
            drops: random.dropsLabel(step: step, sample: sample, probability: 0.5),
            flips: random.flips(step: step, sample: sample),
            iterations: random.iterations(
                step: step, withoutGradient: IterationRange(0, 12), withGradient: IterationRange(1, 12)))
    }

    @Test("a value is the same whoever asks, in whatever order")
    func pure() {
        let positions = (0..<6).flatMap { step in (0..<5).map { (step, $0) } }
        let forwards = positions.map { values(random, $0.0, $0.1) }
        let backwards = positions.reversed().map { values(TrainingRandom(seed: 11), $0.0, $0.1) }
        #expect(forwards == backwards.reversed())
        // The first values do not depend on how many are asked for.
        #expect(
            Array(noise(random, step: 1, sample: 2, count: 40).prefix(7)) == noise(random, step: 1, sample: 2, count: 7)
        )
    }

    @Test("other seeds, steps and samples give other values")
    func different() {
        var timesteps: Set<Double> = []
        var noises: Set<[Float]> = []
        // 2^32: a seed's upper half counts too.
        let seeds = [0, 1, -1, 1 << 32]
        for seed in seeds {
            for step in 0..<5 {
                for sample in 0..<5 {
                    timesteps.insert(TrainingRandom(seed: seed).timestep(step: step, sample: sample))
                    noises.insert(noise(TrainingRandom(seed: seed), step: step, sample: sample, count: 4))
                }
            }
        }
        #expect(timesteps.count == seeds.count * 25 && noises.count == seeds.count * 25)
    }

    @Test("the random values of one position have nothing to do with each other")
    func independent() {
        let count = 4000
        let timesteps = (0..<count).map { random.timestep(step: 0, sample: $0) < 0.5 }
        let drops = (0..<count).map { random.dropsLabel(step: 0, sample: $0, probability: 0.5) }
        let flips = (0..<count).map { random.flips(step: 0, sample: $0) }
        for (a, b) in [(timesteps, drops), (timesteps, flips), (drops, flips)] {
            // Half of 4,000 with a deviation of 32.
            let agreeing = zip(a, b).filter { $0 == $1 }.count
            #expect(abs(agreeing - count / 2) < 160)
        }
    }

    @Test("iterations: both ends included, every pair drawn, evenly")
    func iterations() {
        let (n, m) = (IterationRange(0, 3), IterationRange(1, 4))
        let steps = 6400
        var counts: [[Int]: Int] = [:]
        for step in 0..<steps {
            let drawn = random.iterations(step: step, withoutGradient: n, withGradient: m)
            #expect((0...3).contains(drawn.withoutGradient) && (1...4).contains(drawn.withGradient))
            counts[[drawn.withoutGradient, drawn.withGradient], default: 0] += 1
        }
        #expect(counts.count == 16)
        // 400 of each with a deviation of 19.
        #expect(counts.values.allSatisfy { abs($0 - steps / 16) < 100 })
    }

    @Test("a range of one value gives that value")
    func singleValue() {
        for step in 0..<50 {
            let drawn = random.iterations(
                step: step, withoutGradient: IterationRange(7, 7), withGradient: IterationRange(2, 2))
            #expect(drawn == Iterations(withoutGradient: 7, withGradient: 2))
        }
    }

    @Test("labels are dropped with the probability asked for", arguments: [0, 0.1, 0.5, 1])
    func dropping(_ probability: Double) {
        let count = 20_000
        let dropped = (0..<count).filter {
            random.dropsLabel(step: $0 / 100, sample: $0 % 100, probability: probability)
        }.count
        if probability == 0 || probability == 1 {
            #expect(dropped == Int(probability) * count)
        } else {
            // The deviation is at most 0.0036.
            #expect(abs(Double(dropped) / Double(count) - probability) < 0.015)
        }
    }

    @Test("timesteps are uniform in [0, 1)")
    func timesteps() {
        let values = (0..<8000).map { random.timestep(step: $0 / 100, sample: $0 % 100) }
        #expect(values.allSatisfy { $0 >= 0 && $0 < 1 })
        for quarter in 0..<4 {
            let share = values.filter { Int($0 * 4) == quarter }.count
            // 2,000 with a deviation of 39.
            #expect(abs(share - 2000) < 200)
        }
    }

    @Test("noise has the moments of the standard normal distribution")
    func moments() {
        // Odd, so that the last value of a pair is left out.
        let (samples, count) = (200, 333)
        var sums = [Double](repeating: 0, count: 5)
        var neighbours = 0.0
        var before = [Float](repeating: 0, count: count)
        for sample in 0..<samples {
            let values = noise(random, step: 4, sample: sample, count: count)
            for (value, other) in zip(values, before) {
                let x = Double(value)
                for power in 1...4 {
                    sums[power] += (0..<power).reduce(1.0) { product, _ in product * x }
                }
                neighbours += x * Double(other)
            }
            before = values
        }
        let total = Double(samples * count)
        // Deviations of the means of 66,600 values: 0.004, 0.0055, 0.015, 0.038.
        #expect(abs(sums[1] / total) < 0.02)
        #expect(abs(sums[2] / total - 1) < 0.03)
        #expect(abs(sums[3] / total) < 0.08)
        #expect(abs(sums[4] / total - 3) < 0.2)
        #expect(abs(neighbours / total) < 0.02, "samples are correlated")
    }

    @Test("a start is repeatable, and as the table asks")
    func initialization() {
        let table = ParameterTable(tinyModel())
        withMemory { memory in
            let (a, b, c) = (
                memory.zeros(table.flatCount), memory.zeros(table.flatCount), memory.zeros(table.flatCount)
            )
            random.initialize(table, a)
            TrainingRandom(seed: 11).initialize(table, b)
            TrainingRandom(seed: 12).initialize(table, c)
            #expect(a.array == b.array && a.array != c.array)
            for p in table.parameters {
                #expect(a[p.range].array.allSatisfy { $0 == 0 } == (p.initialization == .zeros), "\(p.name)")
            }
        }
    }
}
