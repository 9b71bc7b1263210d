import CPlatform

/// Sums of vectors that come out the same in any order: every value is rounded to a multiple of its tensor's grid 2^e,
/// and doubles hold sums of such multiples exactly (Demmel & Nguyen, "Parallel Reproducible Summation", IEEE
/// Transactions on Computers, 2015).
///
/// A value g enters as (Double(g) + M) - M with M = 1.5 x 2^(52 + e), which rounds to the nearest multiple as long as
/// |g| <= 2^(51 + e).
public enum OrderFreeSum {
    /// A tensor's place in the flat vector, and its grid.
    public struct Tensor: Sendable {
        public let range: Range<Int>
        /// e of the grid 2^e, from -149 on: there every float32 is a multiple.
        public var exponent: Int

        public init(range: Range<Int>, exponent: Int) {
            self.range = range
            self.exponent = exponent
        }
    }

    /// Values of one task: tensors are cut into stretches of this length, whatever the number of threads.
    public static let stretch = 32_768

    /// Values that a task takes at a time: what is read three times stays in the nearest cache.
    private static let block = 256
    /// How far ahead a task asks for values, which lie in the farther caches or in memory.
    private static let ahead = 2 * block

    /// Where each task works: `tensor` is an index into the tensors that were cut.
    public struct Stretch: Sendable {
        public let tensor: Int
        public let range: Range<Int>
    }

    public static func stretches(of tensors: [Range<Int>]) -> [Stretch] {
        tensors.enumerated().flatMap { index, range in
            stride(from: range.lowerBound, to: range.upperBound, by: stretch).map {
                Stretch(tensor: index, range: $0..<min($0 + stretch, range.upperBound))
            }
        }
    }

    /// Adds a gradient to a sum, zeroes the gradient for the next one, and finds the largest magnitudes.
    ///
    /// - Parameters:
    ///   - gradient: [flat]; zero afterwards.
    ///   - sum: [flat]; overwritten where `isFirst`.
    ///   - maxima: [stretches], receives the largest |g| of each; infinite where a value is not finite.
    public static func add(
        _ engine: Engine, _ gradient: FloatBuffer, to sum: DoubleBuffer, isFirst: Bool, tensors: [Tensor],
        stretches: [Stretch], maxima: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(maxima.count == stretches.count && gradient.count == sum.count, "one maximum a stretch")
        engine.pool.parallelFor(stretches.count) { index, _ in
            let part = stretches[index]
            let magic = Self.magic(tensors[part.tensor].exponent)
            var largest: Float = 0
            for start in stride(from: part.range.lowerBound, to: part.range.upperBound, by: block) {
                let (g, s) = (gradient.base + start, sum.base + start)
                let count = min(block, part.range.upperBound - start)
                // Not of the next stretch, which another thread may be writing.
                let further = max(0, min(block, part.range.upperBound - start - ahead))
                prefetch(g + ahead, further)
                prefetch(s + ahead, further)
                largest = max(largest, largestMagnitude(g, count))
                if isFirst {
                    for i in 0..<count { s[i] = (Double(g[i]) + magic) - magic }
                } else {
                    for i in 0..<count { s[i] += (Double(g[i]) + magic) - magic }
                }
                g.update(repeating: 0, count: count)
            }
            maxima[index] = largest
        }
    }

    /// The same for the only gradient of a rank: it stays where it is, rounded to the grid.
    public static func round(
        _ engine: Engine, _ gradient: FloatBuffer, tensors: [Tensor], stretches: [Stretch],
        maxima: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(maxima.count == stretches.count, "one maximum a stretch")
        engine.pool.parallelFor(stretches.count) { index, _ in
            let part = stretches[index]
            let g = gradient.base + part.range.lowerBound
            let magic = Self.magic(tensors[part.tensor].exponent)
            maxima[index] = largestMagnitude(g, part.range.count)
            for i in 0..<part.range.count { g[i] = Float((Double(g[i]) + magic) - magic) }
        }
    }

    /// target += sums of other virtual ranks on the same grids: exact.
    public static func add(_ engine: Engine, _ sums: DoubleBuffer, to target: DoubleBuffer) {
        precondition(sums.count == target.count, "vectors of unlike length")
        engine.pool.parallelRanges(sums.count, grain: stretch) { range, _ in
            let (s, t) = (sums.base + range.lowerBound, target.base + range.lowerBound)
            for i in 0..<range.count { t[i] += s[i] }
        }
    }

    /// target += the rounded gradient of one other virtual rank: exact.
    public static func add(_ engine: Engine, _ gradient: FloatBuffer, to target: DoubleBuffer) {
        precondition(gradient.count == target.count, "vectors of unlike length")
        engine.pool.parallelRanges(gradient.count, grain: stretch) { range, _ in
            let (g, t) = (gradient.base + range.lowerBound, target.base + range.lowerBound)
            for i in 0..<range.count { t[i] += Double(g[i]) }
        }
    }

    /// Begins a sum with a gradient that has been rounded.
    public static func widen(_ engine: Engine, _ gradient: FloatBuffer, to sum: DoubleBuffer) {
        precondition(gradient.count == sum.count, "vectors of unlike length")
        engine.pool.parallelRanges(gradient.count, grain: stretch) { range, _ in
            let (g, s) = (gradient.base + range.lowerBound, sum.base + range.lowerBound)
            for i in 0..<range.count { s[i] = Double(g[i]) }
        }
    }

    /// Rounds sums to float32, once.
    public static func convert(_ engine: Engine, _ sum: DoubleBuffer, to result: FloatBuffer) {
        precondition(sum.count == result.count, "vectors of unlike length")
        engine.pool.parallelRanges(sum.count, grain: stretch) { range, _ in
            let (s, r) = (sum.base + range.lowerBound, result.base + range.lowerBound)
            for i in 0..<range.count { r[i] = Float(s[i]) }
        }
    }

    /// Asks for values that will be read and written soon.
    @inline(__always)
    private static func prefetch<Value>(_ values: UnsafeMutablePointer<Value>, _ count: Int) {
        for i in stride(from: 0, to: count, by: CacheLine.bytes / MemoryLayout<Value>.stride) {
            fpdm_prefetch_to_write(values + i)
        }
    }

    /// M: adding it to a double pushes what is below the grid out of the mantissa.
    static func magic(_ exponent: Int) -> Double { Double(sign: .plus, exponent: 52 + exponent, significand: 1.5) }

    /// As integers, magnitudes of floats are in order, infinity and every NaN above all numbers.
    static func largestMagnitude(_ values: UnsafePointer<Float>, _ count: Int) -> Float {
        var largest: UInt32 = 0
        for i in 0..<count { largest = max(largest, values[i].magnitude.bitPattern) }
        return Float(bitPattern: min(largest, Float.infinity.bitPattern))
    }
}
