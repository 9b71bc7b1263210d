import Compute

/// Mean and covariance (of the sample: over count - 1) of vectors, in double.
struct Moments {
    private(set) var mean: [Double]
    /// [width, width]
    private(set) var covariance: [Double]

    /// Vectors whose products are summed at once: their columns, as doubles, stay in a cache.
    private static let block = 256

    /// - Parameters:
    ///   - values: [count, width], at least 2 rows.
    ///   - ridge: added to the covariance's diagonal.
    init(_ values: [Float], width: Int, ridge: Double, pool: WorkerPool) {
        let count = values.count / width
        precondition(count >= 2, "a covariance needs two vectors")
        var mean = [Double](repeating: 0, count: width)
        for row in 0..<count { for i in 0..<width { mean[i] += Double(values[row * width + i]) } }
        for i in 0..<width { mean[i] /= Double(count) }

        var sums = [Double](repeating: 0, count: width * width)
        var columns = [Double](repeating: 0, count: width * Self.block)
        sums.withUnsafeMutableBufferPointer { sums in
            columns.withUnsafeMutableBufferPointer { columns in
                guard let sums = sums.baseAddress, let columns = columns.baseAddress else { return }
                for first in stride(from: 0, to: count, by: Self.block) {
                    let rows = min(Self.block, count - first)
                    for row in 0..<rows {
                        for i in 0..<width {
                            columns[i * Self.block + row] = Double(values[(first + row) * width + i]) - mean[i]
                        }
                    }
                    pool.parallelFor(width) { i, _ in
                        for j in i..<width {
                            sums[i * width + j] += Distances.product(
                                columns + i * Self.block, columns + j * Self.block, rows)
                        }
                    }
                }
            }
        }
        for i in 0..<width {
            for j in i..<width {
                let value = sums[i * width + j] / Double(count - 1)
                sums[i * width + j] = value
                sums[j * width + i] = value
            }
            sums[i * width + i] += ridge
        }
        (self.mean, covariance) = (mean, sums)
    }
}
