/// Softmax of the rows of a small matrix, forward beside backward. Scores are float32, probabilities of either type.
enum Softmax {
    /// probabilities [rows, columns] = softmax(scale * scores) along each row, times a factor; may be in place.
    ///
    /// - Parameters:
    ///   - reciprocals: [rows], takes one over each row's factor: what is formed of probabilities is smaller than they.
    ///   - logSums: [rows], takes log(sum of exp(scale * scores)), which gives the probabilities again.
    static func forward<E: StoredElement>(
        _: E.Type, _ scores: UnsafePointer<Float>, probabilities: UnsafeMutableRawPointer, bytes: Int,
        reciprocals: UnsafeMutablePointer<Float>, logSums: UnsafeMutablePointer<Float>?, rows: Int, columns: Int,
        scale: Float
    ) {
        let scales = Vector(repeating: scale)
        for row in 0..<rows {
            let x = scores + row * columns
            let p = probabilities + row * columns * bytes
            var maxima = Vector(repeating: -.greatestFiniteMagnitude)
            var i = 0
            while i + 16 <= columns {
                maxima = larger(maxima, load(x + i, 16))
                i += 16
            }
            while i < columns {
                maxima[0] = max(maxima[0], x[i])
                i += 1
            }
            let largest = lanesMaximum(maxima) * scale
            let maximum = Vector(repeating: largest)
            var sum = Vector()
            for (i, n) in vectors(columns) {
                let e = first(n, of: exponentialOf(multiplyAdd(load(x + i, n), scales, -maximum)))
                sum += e
                E.store(e, p, i, n)
            }
            let total = lanesSum(sum)
            reciprocals[row] = 1 / total
            logSums?[row] = largest + logarithm(total)
        }
    }

    /// The probabilities of `forward` again, and scoreGradient = scale * p * (gradient - inner), inner the sum over the
    /// row of p * gradient.
    ///
    /// - Parameters:
    ///   - gradient: [rows, columns], of the probabilities; not changed.
    ///   - inner: [rows]
    static func backward<E: StoredElement>(
        _: E.Type, _ scores: UnsafePointer<Float>, logSums: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
        inner: UnsafePointer<Float>, probabilities: UnsafeMutableRawPointer,
        scoreGradient: UnsafeMutableRawPointer, bytes: Int, rows: Int, columns: Int, scale: Float
    ) {
        let scales = Vector(repeating: scale)
        for row in 0..<rows {
            let (x, g) = (scores + row * columns, gradient + row * columns)
            let (p, s) = (probabilities + row * columns * bytes, scoreGradient + row * columns * bytes)
            let logSum = Vector(repeating: -logSums[row])
            let mean = Vector(repeating: inner[row])
            for (i, n) in vectors(columns) {
                let probability = exponentialOf(multiplyAdd(load(x + i, n), scales, logSum))
                let d = load(g + i, n)
                E.store(probability, p, i, n)
                E.store(probability * (d - mean) * scales, s, i, n)
            }
        }
    }
}

/// The natural logarithm of a normal positive number, of float's precision: the same bits everywhere, unlike a
/// mathematical library's.
private func logarithm(_ x: Float) -> Float {
    // x = 2^e f with f in [2/3, 4/3); log f by the series of 2 atanh((f - 1) / (f + 1)).
    var (e, f) = (Double(x.exponent), Double(x.significand))
    if f > 4.0 / 3 { (e, f) = (e + 1, f / 2) }
    let z = (f - 1) / (f + 1)
    let square = z * z
    var series = 1.0 / 13
    for k in [11.0, 9, 7, 5, 3, 1] { series = series * square + 1 / k }
    return Float(e * 0.693_147_180_559_945_3 + 2 * z * series)
}
