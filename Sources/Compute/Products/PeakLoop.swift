/// What this processor's multipliers can do at most, for comparison: multiply-adds on registers alone.
public enum PeakLoop {
    /// Floating-point operations of `run`.
    public static func operations(rounds: Int, threads: Int) -> Double {
        Double(rounds) * 12 * 16 * 2 * Double(threads)
    }

    /// Runs `rounds` rounds of twelve independent vector multiply-adds on every thread; the result only keeps the
    /// compiler from dropping them.
    public static func run(_ engine: Engine, rounds: Int) -> Float {
        var results = [Float](repeating: 0, count: engine.pool.threadCount)
        results.withUnsafeMutableBufferPointer { results in
            engine.pool.parallelFor(results.count) { task, _ in results[task] = chain(rounds, seed: Float(task)) }
        }
        return results.reduce(0, +)
    }

    private static func chain(_ rounds: Int, seed: Float) -> Float {
        let (a, b) = (Vector(repeating: 0.999), Vector(repeating: 0.001 + seed))
        var (v0, v1, v2, v3) = (b, b + 1, b + 2, b + 3)
        var (v4, v5, v6, v7) = (b + 4, b + 5, b + 6, b + 7)
        var (v8, v9, v10, v11) = (b + 8, b + 9, b + 10, b + 11)
        for _ in 0..<rounds {
            v0 = multiplyAdd(v0, a, b)
            v1 = multiplyAdd(v1, a, b)
            v2 = multiplyAdd(v2, a, b)
            v3 = multiplyAdd(v3, a, b)
            v4 = multiplyAdd(v4, a, b)
            v5 = multiplyAdd(v5, a, b)
            v6 = multiplyAdd(v6, a, b)
            v7 = multiplyAdd(v7, a, b)
            v8 = multiplyAdd(v8, a, b)
            v9 = multiplyAdd(v9, a, b)
            v10 = multiplyAdd(v10, a, b)
            v11 = multiplyAdd(v11, a, b)
        }
        let sum = ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7)) + ((v8 + v9) + (v10 + v11))
        return lanesSum(sum)
    }
}
