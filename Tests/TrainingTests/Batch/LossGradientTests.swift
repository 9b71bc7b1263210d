import Compute
import Diffusion
import Model
import TestSupport
import Testing

@testable import Training

@Suite("Loss and gradient")
struct LossGradientTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var model = tinyModel { $0.learnSigma = false }
        var diffusion = DiffusionConfiguration()
        var iterations = Iterations(withoutGradient: 0, withGradient: 0)
        /// Beginnings of the names of tensors to differentiate by; empty: all.
        var tensors: [String] = []

        init(_ name: String, _ change: (inout Case) -> Void = { _ in }) {
            testDescription = name
            change(&self)
        }

        /// Without a learned variance: the bound's gradient holds the mean fixed, so it is none of the whole loss.
        static let all = [
            Case("DiT, eps"),
            Case("DiT, v, weighted") {
                ($0.diffusion.target, $0.diffusion.weighting) = (.v, .minSNR5)
                $0.diffusion.zeroTerminalSNR = true
            },
            Case("DiT, flow, vectors") {
                $0.diffusion.target = .flow
                $0.model.conditioning = .continuous
            },
            // What enters the only iteration is a constant to the gradient, so that tensors before it are left out.
            Case("FPDM, x0, one iteration") {
                $0.model.fixedPoint = true
                $0.diffusion.target = .x0
                $0.iterations = Iterations(withoutGradient: 0, withGradient: 1)
                $0.tensors = ["block_fixed_point.", "block_fixed_point_projection", "blocks_post.", "final_layer."]
            },
        ]
    }

    private static let samples = 3

    /// A network, its weights and a batch.
    private final class Setup {
        let loss: LossGradient
        let weights, gradients: FloatBuffer
        private let memory = TestMemory()
        private let batch: LossGradient.Microbatch
        private let iterations: Iterations

        init(_ test: Case, activations: ActivationMode = .keep) throws {
            let c = test.model
            let samples = LossGradientTests.samples
            loss = try LossGradient(
                c, test.diffusion, engine: try Engine(threads: 2), capacity: samples, activations: activations,
                iterations: max(test.iterations.withGradient, 1))
            weights = memory.floats(testWeights(loss.network.table))
            gradients = memory.zeros(loss.network.table.flatCount)
            iterations = test.iterations
            batch = LossGradient.Microbatch(
                images: memory.floats(testNormals(samples * c.imageValues, seed: 1, scale: 0.5)),
                noise: memory.floats(testNormals(samples * c.imageValues, seed: 2)), timesteps: [150, 500, 998],
                labels: c.conditioning == .continuous
                    ? .continuous(testNormals(samples * c.classes, seed: 3)) : .classes([1, 0, 2]),
                drop: [false, true, false])
        }

        /// Losses of some of the samples; their gradient is added to `gradients` where asked.
        func run(
            _ range: Range<Int>, gradient: Bool = false, scale: Double = 1, weights counted: [Double]? = nil
        ) -> [Objective.Loss] {
            let c = loss.network.configuration
            var part = batch
            part.weights = counted
            part.images = batch.images.slice(range.lowerBound * c.imageValues, range.count * c.imageValues)
            part.noise = batch.noise.slice(range.lowerBound * c.imageValues, range.count * c.imageValues)
            part.timesteps = Array(batch.timesteps[range])
            part.drop = batch.drop.map { Array($0[range]) }
            switch batch.labels {
            case .classes(let labels): part.labels = .classes(Array(labels[range]))
            case .continuous(let labels):
                part.labels = .continuous(
                    Array(labels[range.lowerBound * c.classes..<range.upperBound * c.classes]))
            case .none: break
            }
            var losses = [Objective.Loss](repeating: .init(), count: range.count)
            loss.load(weights)
            losses.withUnsafeMutableBufferPointer {
                loss.accumulate(
                    part, iterations: iterations, scale: scale,
                    gradients: gradient ? gradients : nil, losses: $0)
            }
            return losses
        }

        /// Sum of the samples' losses, or of one part of them, with `direction` x `step` added to some weights.
        private func value(
            _ range: Range<Int>, _ direction: [Double], step: Double, of part: (Objective.Loss) -> Double
        ) -> Double {
            let old = weights[range].array
            for i in 0..<range.count { weights[range.lowerBound + i] = Float(Double(old[i]) + step * direction[i]) }
            defer { weights[range].copy(from: old) }
            return run(0..<LossGradientTests.samples).reduce(0) { $0 + part($1) }
        }

        /// Differences of the loss along `direction`, of unit length.
        func slope(
            _ range: Range<Int>, _ direction: [Double], of part: (Objective.Loss) -> Double = { $0.loss }
        ) -> Double {
            // Errors of the third derivative fall with it, those of float32 rise.
            let step = 5e-3
            let above = value(range, direction, step: step, of: part)
            return (above - value(range, direction, step: -step, of: part)) / (2 * step)
        }
    }

    private func unit(_ values: [Double]) -> [Double] {
        let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return values.map { $0 / norm }
    }

    @Test("the gradient is the slope of the loss, tensor by tensor", arguments: Case.all)
    func slopes(_ test: Case) throws {
        let setup = try Setup(test)
        let scale = 0.25
        _ = setup.run(0..<Self.samples, gradient: true, scale: scale)
        var checked = 0
        for p in setup.loss.network.table.parameters
        where test.tensors.isEmpty || test.tensors.contains(where: { p.name.hasPrefix($0) }) {
            let gradient = setup.gradients[p.range].array.map { Double($0) }
            let size = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
            // Along the gradient, where its size shows, and across, where a wrong element does.
            let random = unit(testNormals(p.range.count, seed: UInt64(7 + checked)).map { Double($0) })
            var directions = [random]
            if size > 1e-6 { directions.append(unit(gradient)) }
            for direction in directions {
                let expected = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
                let actual = scale * setup.slope(p.range, direction)
                #expect(
                    abs(actual - expected) < 2e-3 * size + 4e-5,
                    "\(p.name): slope \(actual), gradient \(expected) of size \(size)")
            }
            checked += 1
        }
        #expect(checked >= 16)
    }

    @Test("learned variances follow the bound's slope")
    func variances() throws {
        let test = Case("learned variance") { $0.model.learnSigma = true }
        let setup = try Setup(test)
        let losses = setup.run(0..<Self.samples, gradient: true, scale: 1)
        #expect(losses.allSatisfy { $0.vb > 0 && $0.loss == $0.mse + $0.vb })
        let c = test.model
        let bias = try #require(setup.loss.network.table.parameter(named: "final_layer.linear.bias")).range
        let gradient = setup.gradients[bias].array.map { Double($0) }
        // Biases of a patch's pixels, channels last; the second half of channels are variances.
        let isVariance = (0..<bias.count).map { $0 % c.outputChannels >= c.channels }
        let direction = unit(zip(gradient, isVariance).map { $1 ? $0 : 0 })
        let expected = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(expected > 1e-6)
        // Apart from the error of the mean, beside which it is small.
        let actual = setup.slope(bias, direction) { $0.vb }
        #expect(abs(actual - expected) < 1e-2 * expected, "slope \(actual), gradient \(expected)")
    }

    @Test("two microbatches give the gradient of one batch", arguments: Case.all, ActivationMode.allCases)
    func microbatches(_ test: Case, _ activations: ActivationMode) throws {
        let setup = try Setup(test, activations: activations)
        let together = setup.run(0..<Self.samples, gradient: true, scale: 1 / 3)
        let whole = setup.gradients.array
        setup.gradients.fill(0)
        let apart =
            setup.run(0..<1, gradient: true, scale: 1 / 3) + setup.run(1..<3, gradient: true, scale: 1 / 3)
        let sum = setup.gradients.array
        // A sample's loss does not depend on what shares its batch, but for its place in a tile, which kernels of some
        // processors see in the last bits; the gradient's order of additions does.
        #expect(zip(apart, together).allSatisfy { abs($0.loss - $1.loss) <= 1e-6 * abs($1.loss) })
        let difference = zip(whole, sum).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        let norm = whole.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(norm > 1e-4 && (difference / norm).squareRoot() < 1e-6)
    }

    @Test("the loss alone is the same loss, and leaves gradients alone", arguments: Case.all)
    func lossAlone(_ test: Case) throws {
        let setup = try Setup(test)
        let alone = setup.run(0..<Self.samples)
        #expect(setup.gradients.array.allSatisfy { $0 == 0 })
        #expect(alone.allSatisfy { $0.mse > 0 && $0.vb == 0 })
        #expect(setup.run(0..<Self.samples, gradient: true) == alone)
        #expect(setup.gradients.array.contains { $0 != 0 })
    }

    @Test("the scale multiplies the gradient, not the losses")
    func scale() throws {
        let setup = try Setup(Case("DiT"))
        let one = setup.run(0..<Self.samples, gradient: true, scale: 1)
        let gradient = setup.gradients.array
        setup.gradients.fill(0)
        #expect(setup.run(0..<Self.samples, gradient: true, scale: 0.5) == one)
        // A power of two: exact.
        #expect(setup.gradients.array == gradient.map { $0 / 2 })
    }

    @Test("a sample's weight multiplies its share of the gradient, not its loss")
    func weights() throws {
        let setup = try Setup(Case("DiT"))
        func gradient(_ range: Range<Int>, _ weights: [Double]?, scale: Double = 1) -> (losses: [Double], [Float]) {
            setup.gradients.fill(0)
            let losses = setup.run(range, gradient: true, scale: scale, weights: weights)
            return (losses.map(\.loss), setup.gradients.array)
        }
        let whole = gradient(0..<Self.samples, [2, 0.5, 3])
        let parts = zip(0..<Self.samples, [2, 0.5, 3]).map { gradient($0..<$0 + 1, nil, scale: $1) }
        #expect(zip(whole.losses, parts).allSatisfy { abs($0 - $1.losses[0]) <= 1e-6 * abs($0) })
        let sum = whole.1.indices.map { i in parts.reduce(0) { $0 + Double($1.1[i]) } }
        expectClose(whole.1, sum, within: 1e-6, "gradient")
        #expect(relativeError(gradient(0..<Self.samples, nil).1, sum) > 0.1)
    }

    @Test("an objective that cannot be is refused")
    func refused() {
        var diffusion = DiffusionConfiguration()
        diffusion.target = .flow
        #expect(throws: DiffusionError.self) {
            _ = try LossGradient(
                tinyModel { $0.learnSigma = true }, diffusion, engine: try Engine(threads: 1), capacity: 1,
                activations: .keep, iterations: 1)
        }
    }
}
