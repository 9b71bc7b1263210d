/// Sums over pairs of vectors, for measures of how alike two sets of images are.
public enum Distances {
    /// Which of the candidates is nearest (Euclidean) to each of some vectors, the first of equally near ones; nil where no
    /// distance is a number.
    ///
    /// - Parameters:
    ///   - vectors, candidates: [count, width] each, row-major.
    public static func nearest(
        to vectors: UnsafeBufferPointer<Float>, among candidates: UnsafeBufferPointer<Float>, width: Int
    ) -> [Int?] {
        guard let vectorBase = vectors.baseAddress, let candidateBase = candidates.baseAddress else {
            return [Int?](repeating: nil, count: vectors.count / width)
        }
        let count = vectors.count / width
        var nearest = [Int?](repeating: nil, count: count)
        var least = [Float](repeating: .infinity, count: count)
        // A candidate is held against all vectors while it is in the cache.
        for candidate in 0..<candidates.count / width {
            for vector in 0..<count {
                let distance = squared(vectorBase + vector * width, candidateBase + candidate * width, width)
                if distance < least[vector] { (least[vector], nearest[vector]) = (distance, candidate) }
            }
        }
        return nearest
    }

    @inline(__always)
    private static func squared(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
        var sum = Vector()
        for (i, left) in vectors(count) {
            let difference = load(a + i, left) - load(b + i, left)
            sum = multiplyAdd(difference, difference, sum)
        }
        return lanesSum(sum)
    }

    /// The sum of a[i] * b[i], in a fixed order.
    @inline(__always)
    public static func product(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int) -> Double {
        var lanes = SIMD8<Double>()
        let whole = count / 8 * 8
        for i in stride(from: 0, to: whole, by: 8) {
            let left = UnsafeRawPointer(a + i).loadUnaligned(as: SIMD8<Double>.self)
            let right = UnsafeRawPointer(b + i).loadUnaligned(as: SIMD8<Double>.self)
            lanes.addProduct(left, right)
        }
        var sum = lanes.sum()
        for i in whole..<count { sum += a[i] * b[i] }
        return sum
    }
}
