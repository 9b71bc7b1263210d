/// Softmax of the rows of a small matrix in place, forward beside backward.
enum Softmax {
    /// matrix [rows, columns] = softmax(scale * matrix) along each row.
    static func forward(_ matrix: UnsafeMutablePointer<Float>, rows: Int, columns: Int, scale: Float) {
        let scales = Vector(repeating: scale)
        for row in 0..<rows {
            let x = matrix + row * columns
            var maxima = Vector(repeating: -.greatestFiniteMagnitude)
            forEachVector(columns) { i in
                maxima = larger(maxima, load(x + i))
            } part: { i, n in
                for j in i..<i + n { maxima[0] = max(maxima[0], x[j]) }
            }
            let maximum = Vector(repeating: lanesMaximum(maxima) * scale)
            var sum = Vector()
            forEachVector(columns) { i in
                let e = exponential(multiplyAdd(load(x + i), scales, -maximum))
                sum += e
                store(e, x + i)
            } part: { i, n in
                var e = exponential(multiplyAdd(loadPart(x + i, n), scales, -maximum))
                for lane in n..<16 { e[lane] = 0 }
                sum += e
                storePart(e, x + i, n)
            }
            let reciprocal = Vector(repeating: 1 / lanesSum(sum))
            forEachVector(columns) { i in
                store(load(x + i) * reciprocal, x + i)
            } part: { i, n in
                storePart(loadPart(x + i, n) * reciprocal, x + i, n)
            }
        }
    }

    /// gradient = scale * p * (gradient - sum over the row of p * gradient), both [rows, columns].
    static func backward(
        _ p: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>, rows: Int, columns: Int, scale: Float
    ) {
        let scales = Vector(repeating: scale)
        for row in 0..<rows {
            let probability = p + row * columns
            let g = gradient + row * columns
            var products = Vector()
            forEachVector(columns) { i in
                products = multiplyAdd(load(probability + i), load(g + i), products)
            } part: { i, n in
                products = multiplyAdd(loadPart(probability + i, n), loadPart(g + i, n), products)
            }
            let sum = Vector(repeating: lanesSum(products))
            forEachVector(columns) { i in
                store(load(probability + i) * (load(g + i) - sum) * scales, g + i)
            } part: { i, n in
                storePart(loadPart(probability + i, n) * (loadPart(g + i, n) - sum) * scales, g + i, n)
            }
        }
    }
}
