import Compute
import Evaluation
import Foundation
import TestSupport
import Testing

@Suite("Frechet distance")
struct FrechetDistanceTests {
    private let pool: WorkerPool
    private let ridge = FrechetDistance.ridge

    init() throws { pool = try WorkerPool(threads: 2) }

    private func distance(_ a: [Float], _ b: [Float], _ width: Int) throws -> Double {
        try #require(try FrechetDistance.between(a, b, width: width, pool: pool))
    }

    /// Vectors whose values depend on each other.
    private func mixed(_ count: Int, _ width: Int, seed: UInt64) -> [Float] {
        let values = testNormals(count * width, seed: seed)
        let weights = testNormals(width * width, seed: seed + 100)
        var mixed = [Float](repeating: 0, count: count * width)
        for row in 0..<count {
            for i in 0..<width {
                for j in 0..<width { mixed[row * width + i] += weights[i * width + j] * values[row * width + j] }
            }
        }
        return mixed
    }

    @Test("a set is at no distance from itself", arguments: [1, 2, 7, 64])
    func identical(_ width: Int) throws {
        let values = mixed(150, width, seed: 1)
        #expect(abs(try distance(values, values, width)) < 1e-6)
        // The order of the vectors means nothing.
        let reversed = stride(from: 149, through: 0, by: -1).flatMap { values[$0 * width..<($0 + 1) * width] }
        #expect(abs(try distance(values, reversed, width)) < 1e-6)
    }

    @Test("fewer vectors than their width, and constant values, do no harm")
    func degenerate() throws {
        // Of the size of pixels: the ridge is what is left of most directions, and rounding grows with the others.
        let few = mixed(5, 16, seed: 2).map { $0 / 8 }
        #expect(abs(try distance(few, few, 16)) < 1e-6)
        let constant = [Float](repeating: 0.5, count: 3 * 9)
        #expect(abs(try distance(constant, constant, 9)) < 1e-12)
        let other = [Float](repeating: -0.5, count: 4 * 9)
        #expect(abs(try distance(constant, other, 9) - 9) < 1e-12)
    }

    @Test("a shift alone counts its square", arguments: [1, 3, 16])
    func shifted(_ width: Int) throws {
        // Multiples of 1/64, so that shifted values hold no rounding.
        let values = mixed(200, width, seed: 3).map { ($0 * 64).rounded() / 64 }
        let shift = (0..<width).map { Float($0 + 1) / 4 }
        let moved = values.indices.map { values[$0] + shift[$0 % width] }
        let expected = shift.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(try distance(values, moved, width) - expected) < 1e-6)
    }

    /// The set of +a_i and -a_i along each axis has mean 0 and the variances 2 a_i^2 / (2 w - 1).
    @Test("diagonal covariances, exactly", arguments: [1, 3, 8, 17])
    func diagonal(_ width: Int) throws {
        func cross(_ lengths: [Float]) -> [Float] {
            var values = [Float](repeating: 0, count: 2 * width * width)
            for i in 0..<width {
                values[2 * i * width + i] = lengths[i]
                values[(2 * i + 1) * width + i] = -lengths[i]
            }
            return values
        }
        let a: [Float] = (0..<width).map { 1 + Float($0) / 4 }
        let b: [Float] = (0..<width).map { 5 - Float($0) / 8 }
        let expected = zip(a, b).reduce(0.0) { sum, pair in
            func deviation(_ x: Float) -> Double {
                (2 * Double(x) * Double(x) / Double(2 * width - 1) + ridge).squareRoot()
            }
            let difference = deviation(pair.0) - deviation(pair.1)
            return sum + difference * difference
        }
        #expect(abs(try distance(cross(a), cross(b), width) - expected) < 1e-10)
    }

    @Test("large samples of normal distributions")
    func sampled() throws {
        let (count, width) = (20_000, 3)
        let (one, two): ([Float], [Float]) = ([1, 2, 0.5], [1.5, 1, 0.5])
        let shift: [Float] = [0, 1, -0.5]
        let a = testNormals(count * width, seed: 5).enumerated().map { $1 * one[$0 % width] }
        let b = testNormals(count * width, seed: 6).enumerated().map { $1 * two[$0 % width] + shift[$0 % width] }
        // 0.25 + 1 for the deviations, 1.25 for the means.
        #expect(abs(try distance(a, b, width) - 2.5) < 0.1)
    }

    /// Of two by two matrices the root's trace is known: tr sqrt(M) = sqrt(tr M + 2 sqrt(det M)).
    @Test("covariances that do not commute", arguments: 1...5)
    func general(_ seed: UInt64) throws {
        let sets = [mixed(50, 2, seed: seed), mixed(70, 2, seed: seed + 50).map { $0 + 0.3 }]
        typealias Moments = (mean: [Double], xx: Double, xy: Double, yy: Double)
        let moments: [Moments] = sets.map { values in
            let count = values.count / 2
            let points = (0..<count).map { (Double(values[2 * $0]), Double(values[2 * $0 + 1])) }
            let mx = points.reduce(0) { $0 + $1.0 } / Double(count)
            let my = points.reduce(0) { $0 + $1.1 } / Double(count)
            var (xx, xy, yy) = (0.0, 0.0, 0.0)
            for (x, y) in points {
                xx += (x - mx) * (x - mx)
                xy += (x - mx) * (y - my)
                yy += (y - my) * (y - my)
            }
            let scale = 1 / Double(count - 1)
            return ([mx, my], xx * scale + ridge, xy * scale, yy * scale + ridge)
        }
        let (a, b) = (moments[0], moments[1])
        let trace = a.xx * b.xx + 2 * a.xy * b.xy + a.yy * b.yy
        let determinant = (a.xx * a.yy - a.xy * a.xy) * (b.xx * b.yy - b.xy * b.xy)
        let root = (trace + 2 * determinant.squareRoot()).squareRoot()
        var expected = a.xx + a.yy + b.xx + b.yy - 2 * root
        for i in 0..<2 { expected += (a.mean[i] - b.mean[i]) * (a.mean[i] - b.mean[i]) }
        #expect(expected > 0.05)
        #expect(abs(try distance(sets[0], sets[1], 2) - expected) < 1e-9)
    }

    @Test("the order of the sets means nothing", arguments: [1, 3, 5, 31])
    func symmetric(_ width: Int) throws {
        let (a, b) = (mixed(90, width, seed: 7), mixed(130, width, seed: 8).map { $0 - 0.2 })
        let there = try distance(a, b, width)
        #expect(there > 0.01)
        #expect(abs(there - (try distance(b, a, width))) < 1e-8)
    }

    @Test("values that are not finite have no distance", arguments: [Float.nan, .infinity, -.infinity])
    func notFinite(_ value: Float) throws {
        let good = mixed(30, 5, seed: 9)
        var bad = good
        bad[17] = value
        #expect(try FrechetDistance.between(bad, good, width: 5, pool: pool) == nil)
        #expect(try FrechetDistance.between(good, bad, width: 5, pool: pool) == nil)
    }

    /// data/README.md's yardstick: one random half of the digits against the other is at 0.31.
    @Test("random halves of the digits", arguments: 0..<3 as Range<UInt64>)
    func yardstick(_ seed: UInt64) throws {
        let digits = try digits()
        let images = try digits.allImages().images
        let order = IndexPermutation(count: digits.count, seed: seed, purpose: 251, epoch: 0)
        var halves: [[Float]] = [[], []]
        for place in 0..<digits.count {
            halves[place % 2] += images[order[place] * 64..<(order[place] + 1) * 64]
        }
        let distance = try distance(halves[0], halves[1], 64)
        #expect(distance > 0.2 && distance < 0.45, "\(distance)")
        // Halves that differ by class are far apart.
        let even = digits.classLabels.indices.filter { digits.classLabels[$0] % 2 == 0 }
        let odd = digits.classLabels.indices.filter { digits.classLabels[$0] % 2 == 1 }
        let classes = [even, odd].map { $0.flatMap { images[$0 * 64..<($0 + 1) * 64] } }
        #expect(try self.distance(classes[0], classes[1], 64) > 1)
    }
}
