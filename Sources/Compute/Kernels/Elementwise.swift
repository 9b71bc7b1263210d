/// Element-wise sums of long vectors.
public enum Elementwise {
    private static let grain = 16_384

    /// target [count] += source [count]
    public static func add(_ engine: Engine, _ source: FloatBuffer, to target: FloatBuffer, count: Int) {
        precondition(count <= source.count && count <= target.count, "vectors too short")
        engine.pool.parallelRanges(count, grain: grain) { range, _ in
            add(source.base + range.lowerBound, to: target.base + range.lowerBound, count: range.count)
        }
    }

    /// target [count] += source [count], on the calling thread.
    public static func add(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
        for (i, n) in vectors(count) { store(load(target + i, n) + load(source + i, n), target + i, n) }
    }

    public static func zero(_ engine: Engine, _ target: FloatBuffer) {
        engine.pool.parallelRanges(target.count, grain: grain) { range, _ in
            (target.base + range.lowerBound).update(repeating: 0, count: range.count)
        }
    }
}
