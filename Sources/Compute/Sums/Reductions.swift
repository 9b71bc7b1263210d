/// Sums that come out the same whatever the threads and slices: in double, over fixed blocks, in block order.
public enum Reductions {
    /// Floats of a block; slices of the flat vector that are reduced apart start at multiples of it.
    public static let block = 4096

    /// The number of blocks of `count` floats.
    public static func blocks(_ count: Int) -> Int { (count + block - 1) / block }

    /// Sum of squares of each block of `vector`, into `partial` [blocks(vector.count)].
    public static func squares(
        _ engine: Engine, _ vector: FloatBuffer, into partial: UnsafeMutableBufferPointer<Double>
    ) {
        precondition(partial.count == blocks(vector.count), "one partial sum a block")
        engine.pool.parallelFor(partial.count) { index, _ in
            let start = index * block
            let count = min(block, vector.count - start)
            // Four independent chains keep the adder busy; their number never changes.
            var sums = SIMD4<Double>()
            let base = vector.base + start
            var i = 0
            while i + 4 <= count {
                let v = SIMD4<Double>(Double(base[i]), Double(base[i + 1]), Double(base[i + 2]), Double(base[i + 3]))
                sums += v * v
                i += 4
            }
            while i < count {
                sums[0] += Double(base[i]) * Double(base[i])
                i += 1
            }
            partial[index] = (sums[0] + sums[1]) + (sums[2] + sums[3])
        }
    }
}

extension Reductions {
    /// Copies a vector to the start of another.
    ///
    /// - Returns: whether all its values are finite; found on the way, while they are in the cache.
    public static func copy(_ engine: Engine, _ vector: FloatBuffer, to copy: FloatBuffer) -> Bool {
        precondition(vector.count <= copy.count, "source longer than destination")
        return isFinite(engine, vector) { copy.slice($0, $1.count).copy(from: $1) }
    }

    /// Whether all values of a vector are finite.
    public static func isFinite(_ engine: Engine, _ vector: FloatBuffer) -> Bool {
        isFinite(engine, vector) { _, _ in }
    }

    /// - Parameter before: what is done with each block, by its place, before it is looked at.
    @inline(__always)
    private static func isFinite(
        _ engine: Engine, _ vector: FloatBuffer, after before: (_ start: Int, _ block: FloatBuffer) -> Void
    ) -> Bool {
        var maxima = [Float](repeating: 0, count: blocks(vector.count))
        maxima.withUnsafeMutableBufferPointer { maxima in
            // A large page at a time.
            engine.pool.parallelRanges(maxima.count, grain: (1 << 19) / block) { range, _ in
                for index in range {
                    let start = index * block
                    let values = vector.slice(start, min(block, vector.count - start))
                    before(start, values)
                    maxima[index] = OrderFreeSum.largestMagnitude(values.base, values.count)
                }
            }
        }
        return maxima.allSatisfy { $0.isFinite }
    }
}
