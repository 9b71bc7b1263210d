import Compute

/// Anderson acceleration of fixed-point solves, each sample by itself: the next state is the combination of the latest f(z)
/// whose residuals f(z) - z, combined alike, are least in the L2 norm (Walker & Ni, SIAM J. Numer. Anal. 49, 2011, algorithm
/// AA with relaxation 1; for networks that are fixed points: Bai et al., arXiv 1909.01377, section 3.1).
///
/// The least squares are solved in double by the normal equations of the residuals' differences, whose coefficients follow
/// from the inner products of residuals; a difference that depends on newer ones, to rounding, is left out with those older
/// than it. States are float32, sums over them double, in an order that no thread changes.
final class AndersonMixing {
    /// Added to the diagonal of the normal equations, relative to it: the residuals' own rounding is larger.
    private static let regularization = 1e-10

    /// States that are remembered at most, m.
    let memory: Int
    private let values: Int
    private let outputs: FloatBuffer  // [samples, m, T D], f(z)
    private let residuals: FloatBuffer  // [samples, m, T D], f(z) - z
    private let products: DoubleBuffer  // [samples, m, m], inner products of the residuals

    /// - Parameters:
    ///   - memory: at least 1, with which nothing is accelerated.
    ///   - values: of a sample's state.
    init(_ arena: Arena, samples: Int, memory: Int, values: Int) {
        precondition(memory >= 1, "a memory of \(memory) states")
        (self.memory, self.values) = (memory, values)
        outputs = arena.take(samples * memory * values)
        residuals = arena.take(samples * memory * values)
        products = arena.takeDoubles(samples * memory * memory)
    }

    /// Puts the next state of a sample in place of f(z). Different samples may be mixed at once.
    ///
    /// - Parameters:
    ///   - iterations: of this sample's solve so far, with this one: from 1, which begins it, one after the other.
    ///   - z: [T, D], the state before it.
    ///   - next: [T, D], f(z).
    func mix(_ sample: Int, iterations: Int, z: FloatBuffer, next: FloatBuffer) {
        let slot = (iterations - 1) % memory
        let (output, residual) = (output(sample, slot), residual(sample, slot))
        output.copy(from: next)
        for i in 0..<values { residual[i] = next[i] - z[i] }
        let count = min(iterations, memory)
        for other in 0..<count {
            let product = Self.product(residual.base, self.residual(sample, other).base, values)
            products[(sample * memory + slot) * memory + other] = product
            products[(sample * memory + other) * memory + slot] = product
        }
        // The newest first.
        let slots = (0..<count).map { (slot - $0 + memory) % memory }
        let shares = Self.shares(count) { products[(sample * memory + slots[$0]) * memory + slots[$1]] }
        guard shares.count > 1 else { return }
        for (index, share) in shares.enumerated() {
            let own = self.output(sample, slots[index])
            let isFirst = index == 0
            for i in 0..<values { next[i] = Float((isFirst ? 0 : Double(next[i])) + share * Double(own[i])) }
        }
    }

    private func output(_ sample: Int, _ slot: Int) -> FloatBuffer {
        outputs.slice((sample * memory + slot) * values, values)
    }

    private func residual(_ sample: Int, _ slot: Int) -> FloatBuffer {
        residuals.slice((sample * memory + slot) * values, values)
    }

    /// What each state counts, the newest first; they add up to 1. Fewer than `count` where older ones add nothing.
    ///
    /// - Parameter product: of two residuals, by their age.
    static func shares(_ count: Int, _ product: (Int, Int) -> Double) -> [Double] {
        // Column j is the residual of age j less that of age j + 1; wanted are the multiples of them that leave least of the
        // newest residual.
        func difference(_ i: Int, _ j: Int) -> Double {
            (product(i, j) - product(i, j + 1)) - (product(i + 1, j) - product(i + 1, j + 1))
        }
        var rows: [[Double]] = []  // Cholesky's, of the columns that are taken
        var right: [Double] = []
        for i in 0..<count - 1 {
            var row: [Double] = []
            for (j, other) in rows.enumerated() {
                var sum = difference(i, j)
                for k in 0..<j { sum -= row[k] * other[k] }
                row.append(sum / other[j])
            }
            let own = difference(i, i)
            let pivot = row.reduce(own * (1 + regularization)) { $0 - $1 * $1 }
            // Written so that a NaN ends it.
            guard own > 0, pivot > own * regularization / 2 else { break }
            var wanted = product(0, i) - product(0, i + 1)
            for (k, value) in row.enumerated() { wanted -= value * right[k] }
            row.append(pivot.squareRoot())
            rows.append(row)
            right.append(wanted / row[i])
        }
        var multiples = right
        for i in multiples.indices.reversed() {
            for j in multiples.indices where j > i { multiples[i] -= rows[j][i] * multiples[j] }
            multiples[i] /= rows[i][i]
        }
        // What is taken of a column of one age is given back to the next.
        return (0...multiples.count).map {
            ($0 == 0 ? 1 : multiples[$0 - 1]) - ($0 < multiples.count ? multiples[$0] : 0)
        }
    }

    /// The inner product of two vectors, in double.
    private static func product(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Double {
        // Eight chains, whose number never changes.
        var sums = SIMD8<Double>()
        var i = 0
        while i + 8 <= count {
            var (left, right) = (SIMD8<Double>(), SIMD8<Double>())
            for k in 0..<8 { (left[k], right[k]) = (Double(a[i + k]), Double(b[i + k])) }
            sums += left * right
            i += 8
        }
        var sum = sums.sum()
        while i < count {
            sum += Double(a[i]) * Double(b[i])
            i += 1
        }
        return sum
    }
}
