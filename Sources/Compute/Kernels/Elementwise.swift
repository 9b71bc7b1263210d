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
        forEachVector(count) { i in
            store(load(target + i) + load(source + i), target + i)
        } part: { i, n in
            storePart(loadPart(target + i, n) + loadPart(source + i, n), target + i, n)
        }
    }

    /// target [rows, columns] += source [period, columns], repeated down the rows: row r takes row r mod period.
    public static func addRows(
        _ engine: Engine, _ source: FloatBuffer, period: Int, to target: FloatBuffer, rows: Int, columns: Int
    ) {
        engine.pool.parallelRanges(rows, grain: 64) { range, _ in
            for row in range {
                add(source.base + row % period * columns, to: target.base + row * columns, count: columns)
            }
        }
    }

    public static func zero(_ engine: Engine, _ target: FloatBuffer) {
        engine.pool.parallelRanges(target.count, grain: grain) { range, _ in
            (target.base + range.lowerBound).update(repeating: 0, count: range.count)
        }
    }
}
