import Compute
import TestSupport
import Testing

@testable import Model

@Suite("Anderson acceleration")
struct AndersonMixingTests {
    /// The same in double and as plain as can be: the least squares with a multiplier for the sum of the shares, by Gauss's
    /// elimination.
    struct Naive {
        let memory: Int
        private var outputs: [[Double]] = []
        private var residuals: [[Double]] = []

        init(memory: Int) { self.memory = memory }

        mutating func next(_ z: [Double], _ f: [Double]) -> [Double] {
            outputs = (outputs + [f]).suffix(memory)
            residuals = (residuals + [zip(f, z).map { $0 - $1 }]).suffix(memory)
            let n = residuals.count
            // 2 R^T R shares + multiplier = 0, and the shares add up to 1; of residuals of like lengths.
            let scale = residuals.map { dot($0, $0).squareRoot() }
            var system = (0..<n).map { i in
                (0..<n).map { 2 * dot(residuals[i], residuals[$0]) / (scale[i] * scale[$0]) } + [1 / scale[i], 0]
            }
            system.append((0..<n).map { 1 / scale[$0] } + [0, 1])
            for i in 0...n {
                let pivot = (i...n).max { abs(system[$0][i]) < abs(system[$1][i]) } ?? i
                system.swapAt(i, pivot)
                for j in 0...n where j != i {
                    let factor = system[j][i] / system[i][i]
                    for k in 0...(n + 1) { system[j][k] -= factor * system[i][k] }
                }
            }
            let shares = (0..<n).map { system[$0][n + 1] / system[$0][$0] / scale[$0] }
            return f.indices.map { i in (0..<n).reduce(0) { $0 + shares[$1] * outputs[$1][i] } }
        }
    }

    /// z <- A z + b with eigenvalues that converge slowly, one of them against the others.
    private static let (shrinking, offset) = ([0.9, 0.7, -0.8, 0.3], [1, -2, 0.5, 3.0])

    /// The error of each state on the way to the fixed point.
    private func errors(memory: Int, iterations: Int) -> [Double] {
        withMemory { memoryOfTest in
            let (arena, mixing) = Arena.build("test") { AndersonMixing($0, samples: 2, memory: memory, values: 4) }
            defer { withExtendedLifetime(arena) {} }
            var z: [Float] = [0, 0, 0, 0]
            return (1...iterations).map { k in
                let f = (0..<4).map { Float(Self.shrinking[$0] * Double(z[$0]) + Self.offset[$0]) }
                let (before, next) = (memoryOfTest.floats(z), memoryOfTest.floats(f))
                // The second of two: what belongs to the first stays as it is.
                mixing.mix(1, iterations: k, z: before, next: next)
                z = next.array
                let errors = (0..<4).map { Double(z[$0]) - Self.offset[$0] / (1 - Self.shrinking[$0]) }
                return dot(errors, errors).squareRoot()
            }
        }
    }

    @Test("a linear map of four values is solved in five iterations, as by GMRES")
    func linear() {
        let plain = errors(memory: 1, iterations: 12)
        #expect(plain[11] > 1, "\(plain): the plain iteration is no longer slow")
        #expect(errors(memory: 5, iterations: 5)[4] < 1e-4)
        // What is left then is rounding, of which nothing is made.
        #expect(errors(memory: 5, iterations: 12).suffix(8).allSatisfy { $0 < 1e-4 })
        // A memory too short for that is better than none.
        #expect(errors(memory: 3, iterations: 12)[11] < plain[11] / 5)
    }

    @Test("states that do not change, and those that do not depend on each other, are taken as they are")
    func degenerate() {
        // A fixed point already: nothing to combine.
        #expect(AndersonMixing.shares(3) { _, _ in 0 } == [1])
        // Equal residuals: their difference is nothing, and the newest counts alone.
        #expect(AndersonMixing.shares(3) { _, _ in 2 } == [1])
        #expect(AndersonMixing.shares(1) { _, _ in 2 } == [1])
        #expect(AndersonMixing.shares(3) { _, _ in .nan } == [1])
        // Perpendicular ones of lengths 1 and 2: 4 parts and 1, by which the combination is shortest.
        let shares = AndersonMixing.shares(2) { $0 == $1 ? [1, 4][$0] : 0 }
        #expect(shares.count == 2 && abs(shares[0] - 0.8) < 1e-8 && abs(shares[1] - 0.2) < 1e-8)
    }

    @Test("states of a network are those of the naive network, combined naively", arguments: [2, 3, 5])
    func network(_ memory: Int) throws {
        let (variant, count, iterations) = (Variant.fpdm, 3, 4)
        let (c, table) = (variant.configuration, ParameterTable(variant.configuration))
        let weights = Harness.weights(table).map { $0 * 0.9 }
        let harness = try Harness(variant, capacity: count, use: .inference, weights: weights)
        let control = SolveControl(
            c, samples: count, memory: memory, engine: try Arithmetic.oneDNN.engine())
        let batch = Batch(variant, samples: count)
        control.begin(tolerance: 0, most: [Int](repeating: iterations, count: count))
        let mixed = harness.forward(
            batch, Iterations(withoutGradient: iterations, withGradient: 0), control: control)
        let plain = harness.forward(batch, Iterations(withoutGradient: iterations, withGradient: 0))
        let naive = NaiveNetwork(table, weights)
        let size = c.tokens * c.width
        for (sample, own) in batch.naive.enumerated() {
            var mixing = Naive(memory: memory)
            var z = naive.forward(own, iterations: 0).states[0].flatMap(\.self)
            for _ in 0..<iterations {
                let rows = (0..<c.tokens).map { Array(z[$0 * c.width..<($0 + 1) * c.width]) }
                z = mixing.next(z, naive.forward(own, iterations: 1, initial: rows).states[1].flatMap(\.self))
            }
            let range = sample * size..<(sample + 1) * size
            expectClose(Array(mixed.solution[range]), z, within: 1e-4, "sample \(sample)")
            #expect(relativeError(Array(plain.solution[range]), z) > 1e-3, "plain and mixed are alike")
        }
    }

    @Test("a sample's bits do not depend on those that it is solved with")
    func alone() throws {
        let (variant, count, most) = (Variant.fpdm, 5, [6, 2, 4, 6, 1])
        let c = variant.configuration
        let harness = try Harness(variant, capacity: count, use: .inference)
        let control = SolveControl(c, samples: count, memory: 4, engine: try Arithmetic.oneDNN.engine())
        let batch = Batch(variant, samples: count)
        func solve(_ batch: Batch, _ most: [Int]) -> Harness.Outcome {
            control.begin(tolerance: 0, most: most)
            return harness.forward(batch, Iterations(withoutGradient: 6, withGradient: 0), control: control)
        }
        let together = solve(batch, most)
        let size = c.tokens * c.width
        for sample in 0..<count {
            let own = solve(batch.part(sample..<sample + 1), [most[sample]])
            expectSameBits(
                own.solution, Array(together.solution[sample * size..<(sample + 1) * size]), "sample \(sample)")
        }
    }
}
