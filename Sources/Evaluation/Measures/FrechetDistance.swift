import Compute

/// Frechet distance between two sets of vectors, taken as normal distributions (Dowson & Landau, 1982; with
/// features of images: Heusel et al., arXiv 1706.08500):
/// |mean1 - mean2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)).
public enum FrechetDistance {
    /// Added to each covariance's diagonal, so that constant pixels do no harm.
    public static let ridge = 1e-6

    /// The fewest vectors whose covariance can have full rank: one more than the width, since their mean is subtracted.
    ///
    /// Fewer leave directions without variance, which the other set has. More leave a bias still, that falls as
    /// 1 / count (Chong and Forsyth, arXiv 1911.07023).
    public static func leastCount(width: Int) -> Int { width + 1 }

    /// - Parameters:
    ///   - a, b: [count, width] each, row-major; at least 2 rows.
    ///   - width: of a vector.
    ///   - pool: the threads that sum.
    /// - Returns: nil if LAPACK found no eigenvalues, as for values that are not finite.
    public static func between(_ a: [Float], _ b: [Float], width: Int, pool: WorkerPool) throws -> Double? {
        precondition(width > 0 && a.count % width == 0 && b.count % width == 0, "vectors of another width")
        let first = Moments(a, width: width, ridge: ridge, pool: pool)
        let second = Moments(b, width: width, ridge: ridge, pool: pool)
        let blas = try OpenBLAS.load()
        // (C1 C2)^(1/2) has the trace of (S C2 S)^(1/2), S the root of C1, which is symmetric.
        guard let root = squareRoot(first.covariance, width, blas) else { return nil }
        var product = multiply(multiply(root, second.covariance, width), root, width)
        guard let eigenvalues = blas.symmetricEigenvalues(&product, n: width) else { return nil }
        var distance = 0.0
        for i in 0..<width {
            let shift = first.mean[i] - second.mean[i]
            distance += shift * shift
            distance += first.covariance[i * width + i] + second.covariance[i * width + i]
            distance -= 2 * max(eigenvalues[i], 0).squareRoot()
        }
        return distance.isFinite ? distance : nil
    }

    private static func squareRoot(_ matrix: [Double], _ n: Int, _ blas: OpenBLAS) -> [Double]? {
        var vectors = matrix
        guard let values = blas.symmetricEigenvalues(&vectors, n: n) else { return nil }
        var root = [Double](repeating: 0, count: n * n)
        for k in 0..<n {
            let scale = max(values[k], 0).squareRoot()
            for i in 0..<n {
                let x = scale * vectors[k * n + i]
                for j in 0..<n { root[i * n + j] += x * vectors[k * n + j] }
            }
        }
        return root
    }

    private static func multiply(_ a: [Double], _ b: [Double], _ n: Int) -> [Double] {
        var product = [Double](repeating: 0, count: n * n)
        for i in 0..<n {
            for k in 0..<n {
                let x = a[i * n + k]
                for j in 0..<n { product[i * n + j] += x * b[k * n + j] }
            }
        }
        return product
    }
}
