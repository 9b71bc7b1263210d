import Glibc

/// Fixed and looked-up embeddings.
public enum Embeddings {
    /// Sine-cosine positions [side * side, width]: the first half encodes the column, the second the row
    /// (the published code's order). `width` is a multiple of 4.
    public static func positions(width: Int, side: Int) -> [Float] {
        let quarter = width / 4
        var table = [Float](repeating: 0, count: side * side * width)
        for row in 0..<side {
            for column in 0..<side {
                let start = (row * side + column) * width
                for i in 0..<quarter {
                    let omega = 1 / pow(10_000, Double(i) / Double(quarter))
                    table[start + i] = Float(sin(Double(column) * omega))
                    table[start + quarter + i] = Float(cos(Double(column) * omega))
                    table[start + 2 * quarter + i] = Float(sin(Double(row) * omega))
                    table[start + 3 * quarter + i] = Float(cos(Double(row) * omega))
                }
            }
        }
        return table
    }

    /// Features [width] of timestep `t`: cosines, then sines, of frequencies from 1 down to 1/10,000.
    public static func timestep(_ t: Int, width: Int, into output: UnsafeMutablePointer<Float>) {
        let half = width / 2
        for i in 0..<half {
            let angle = Double(t) * exp(-log(10_000.0) * Double(i) / Double(half))
            output[i] = Float(cos(angle))
            output[half + i] = Float(sin(angle))
        }
    }
}

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
