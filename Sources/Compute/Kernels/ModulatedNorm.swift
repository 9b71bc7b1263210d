/// LayerNorm without weights, then a shift and scale for each sample: the adaLN of DiT (arXiv 2212.09748, 3.2), forward
/// beside backward.
public enum ModulatedNorm {
    /// As in the published code.
    static let epsilon: Float = 1e-6

    /// output [rows, D] = norm(input) (1 + scale) + shift
    ///
    /// - Parameters:
    ///   - input: float32.
    ///   - statistics: [rows, 2], takes each row's mean and reciprocal standard deviation.
    public static func forward(
        _ input: Matrix, shift: SampleVectors, scale: SampleVectors, statistics: UnsafeMutablePointer<Float>?,
        output: Matrix, rows: Int
    ) {
        switch output.element {
        case .float32: forward(StoredFloat32.self, input, shift, scale, statistics, output, rows)
        case .bfloat16: forward(StoredBFloat16.self, input, shift, scale, statistics, output, rows)
        }
    }

    private static func forward<E: StoredElement>(
        _: E.Type, _ input: Matrix, _ shift: SampleVectors, _ scale: SampleVectors,
        _ statistics: UnsafeMutablePointer<Float>?, _ output: Matrix, _ rows: Int
    ) {
        for row in 0..<rows {
            let x = input.floats(row)
            let (mean, reciprocal) = Self.statistics(x, input.columns)
            if let statistics { (statistics[2 * row], statistics[2 * row + 1]) = (mean, reciprocal) }
            modulate(E.self, x, mean, reciprocal, shift[row], scale[row], output.row(row), input.columns)
        }
    }

    /// What was normalised: a kept input, to which a gated branch may have been added.
    public struct Source {
        public let input: Matrix
        public let branch: Matrix?
        public let gate: SampleVectors?

        public init(_ input: Matrix, branch: Matrix? = nil, gate: SampleVectors? = nil) {
            self.input = input
            self.branch = branch
            self.gate = gate
        }
    }

    /// Adds the gradient through the norm to `gradient` [rows, D], and that of shift and scale, summed over a sample's
    /// rows, to theirs; forms the norm's output once more.
    ///
    /// - Parameters:
    ///   - outputGradient, gradient: float32.
    ///   - output: takes the norm's output; may lie in vectors.
    ///   - rounded: takes the new gradient, where a product reads it next.
    ///   - columnSums: [D], the new gradient's column sums are added to it.
    ///   - scratch: [D]
    public static func backward(
        _ source: Source, statistics: UnsafePointer<Float>, shift: SampleVectors, scale: SampleVectors,
        outputGradient: Matrix, gradient: Matrix, shiftGradient: SampleVectors, scaleGradient: SampleVectors,
        output: Matrix, rounded: Matrix? = nil, columnSums: UnsafeMutablePointer<Float>? = nil,
        scratch: UnsafeMutablePointer<Float>, rows: Int
    ) {
        switch source.input.element {
        case .float32:
            backward(
                StoredFloat32.self, source, statistics, shift, scale, outputGradient, gradient, shiftGradient,
                scaleGradient, output, rounded, columnSums, scratch, rows)
        case .bfloat16:
            backward(
                StoredBFloat16.self, source, statistics, shift, scale, outputGradient, gradient, shiftGradient,
                scaleGradient, output, rounded, columnSums, scratch, rows)
        }
    }

    private static func backward<E: StoredElement>(
        _: E.Type, _ source: Source, _ statistics: UnsafePointer<Float>, _ shift: SampleVectors,
        _ scale: SampleVectors, _ outputGradient: Matrix, _ gradient: Matrix, _ shiftGradient: SampleVectors,
        _ scaleGradient: SampleVectors, _ output: Matrix, _ rounded: Matrix?,
        _ columnSums: UnsafeMutablePointer<Float>?, _ normal: UnsafeMutablePointer<Float>, _ rows: Int
    ) {
        let width = gradient.columns
        let one = Vector(repeating: 1)
        for row in 0..<rows {
            let (kept, branch, gate) = (source.input.row(row), source.branch?.row(row), source.gate?[row])
            let means = Vector(repeating: statistics[2 * row])
            let reciprocals = Vector(repeating: statistics[2 * row + 1])
            let (dy, dx) = (outputGradient.floats(row), gradient.floats(row))
            let (shifts, scales) = (shift[row], scale[row])
            let (shiftSums, scaleSums, y) = (shiftGradient[row], scaleGradient[row], output.row(row))
            var sum = Vector()
            var products = Vector()
            for (i, n) in vectors(width) {
                var x = E.load(kept, i, n)
                if let branch, let gate { x = multiplyAdd(load(gate + i, n), E.load(branch, i, n), x) }
                let normalised = (x - means) * reciprocals
                store(normalised, normal + i, n)
                let d = load(dy + i, n)
                let factor = one + load(scales + i, n)
                output.store(E.self, multiplyAdd(normalised, factor, load(shifts + i, n)), y, i, n)
                let scaled = d * factor
                sum += scaled
                products = multiplyAdd(scaled, normalised, products)
                store(load(shiftSums + i, n) + d, shiftSums + i, n)
                store(multiplyAdd(d, normalised, load(scaleSums + i, n)), scaleSums + i, n)
            }
            let meanGradient = Vector(repeating: lanesSum(sum) / Float(width))
            let meanProduct = Vector(repeating: lanesSum(products) / Float(width))
            let copy = rounded?.row(row)
            for (i, n) in vectors(width) {
                let scaled = load(dy + i, n) * (one + load(scales + i, n))
                let direct = scaled - meanGradient - load(normal + i, n) * meanProduct
                let new = multiplyAdd(direct, reciprocals, load(dx + i, n))
                store(new, dx + i, n)
                if let copy { E.store(new, copy, i, n) }
                if let columnSums { store(load(columnSums + i, n) + new, columnSums + i, n) }
            }
        }
        output.finishStores()
    }

    @inline(__always)
    private static func statistics(_ x: UnsafePointer<Float>, _ count: Int) -> (mean: Float, reciprocal: Float) {
        var sum = Vector()
        for (i, n) in vectors(count) { sum += load(x + i, n) }
        let mean = lanesSum(sum) / Float(count)
        let means = Vector(repeating: mean)
        var squares = Vector()
        for (i, n) in vectors(count) {
            // The lanes past the end must not count.
            let d = first(n, of: load(x + i, n) - means)
            squares = multiplyAdd(d, d, squares)
        }
        return (mean, 1 / (lanesSum(squares) / Float(count) + epsilon).squareRoot())
    }

    @inline(__always)
    private static func modulate<E: StoredElement>(
        _: E.Type, _ x: UnsafePointer<Float>, _ mean: Float, _ reciprocal: Float, _ shift: UnsafePointer<Float>,
        _ scale: UnsafePointer<Float>, _ output: UnsafeMutableRawPointer, _ count: Int
    ) {
        let means = Vector(repeating: mean)
        let reciprocals = Vector(repeating: reciprocal)
        let one = Vector(repeating: 1)
        for (i, n) in vectors(count) {
            let normal = (load(x + i, n) - means) * reciprocals
            E.store(multiplyAdd(normal, one + load(scale + i, n), load(shift + i, n)), output, i, n)
        }
    }
}
