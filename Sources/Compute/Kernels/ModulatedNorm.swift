/// LayerNorm without weights, then a shift and scale for each sample: the adaLN of DiT (arXiv 2212.09748, 3.2).
///
/// B samples of T tokens, R = B T rows of width D. A modulation is a row of a [B, stride] matrix for each sample;
/// its parts are named by pointers to the first sample's.
public struct ModulatedNorm: Sendable {
    public let width: Int
    public let tokens: Int
    /// Row stride of the matrix that holds the modulations, and of its gradient.
    public let modulationStride: Int

    /// As in the published code.
    static let epsilon: Float = 1e-6

    public init(width: Int, tokens: Int, modulationStride: Int) {
        self.width = width
        self.tokens = tokens
        self.modulationStride = modulationStride
    }

    /// x + gate * branch, formed before the norm: a block's residual connection.
    public struct Residual {
        /// [B, stride], one value a column for each sample.
        public let gate: FloatBuffer
        /// [R, D]
        public let branch: FloatBuffer
        /// [R, D], takes the sum.
        public let sum: FloatBuffer

        public init(gate: FloatBuffer, branch: FloatBuffer, sum: FloatBuffer) {
            self.gate = gate
            self.branch = branch
            self.sum = sum
        }
    }

    /// output [R, D] = norm(x) (1 + scale) + shift, where x [R, D] first takes the residual branch, if there is one.
    ///
    /// - Parameter statistics: [R, 2], takes each row's mean and reciprocal standard deviation.
    public func forward(
        _ engine: Engine, input: FloatBuffer, residual: Residual? = nil, shift: FloatBuffer, scale: FloatBuffer,
        statistics: FloatBuffer, output: FloatBuffer, rows: Int
    ) {
        engine.pool.parallelRanges(rows, grain: 32) { range, _ in
            for row in range {
                let modulation = row / tokens * modulationStride
                var x = UnsafePointer(input.base + row * width)
                if let residual {
                    let sum = residual.sum.base + row * width
                    Gate.addRow(
                        x, gate: residual.gate.base + modulation, branch: residual.branch.base + row * width,
                        into: sum, count: width)
                    x = UnsafePointer(sum)
                }
                let (mean, reciprocal) = Self.statistics(x, width)
                statistics.base[2 * row] = mean
                statistics.base[2 * row + 1] = reciprocal
                Self.modulate(
                    x, mean, reciprocal, shift: shift.base + modulation, scale: scale.base + modulation,
                    into: output.base + row * width, count: width)
            }
        }
    }

    /// The part of the backward pass that a gated branch before the norm takes.
    public struct ResidualGradient {
        public let gate: FloatBuffer
        public let branch: FloatBuffer
        /// [B, stride], added to.
        public let gateGradient: FloatBuffer
        /// [R, D], overwritten.
        public let branchGradient: FloatBuffer

        public init(
            gate: FloatBuffer, branch: FloatBuffer, gateGradient: FloatBuffer, branchGradient: FloatBuffer
        ) {
            self.gate = gate
            self.branch = branch
            self.gateGradient = gateGradient
            self.branchGradient = branchGradient
        }
    }

    /// Adds the gradient through the norm to `inputGradient` [R, D], and that of shift and scale, summed over a
    /// sample's tokens, to theirs.
    ///
    /// - Parameter input: what was normalised, [R, D] (with a residual: the sum).
    public func backward(
        _ engine: Engine, input: FloatBuffer, statistics: FloatBuffer, scale: FloatBuffer,
        outputGradient: FloatBuffer, inputGradient: FloatBuffer, shiftGradient: FloatBuffer,
        scaleGradient: FloatBuffer, residual: ResidualGradient? = nil, samples: Int
    ) {
        engine.pool.parallelFor(samples) { sample, _ in
            let modulation = sample * modulationStride
            for row in sample * tokens..<(sample + 1) * tokens {
                Self.backwardRow(
                    input.base + row * width, mean: statistics.base[2 * row], reciprocal: statistics.base[2 * row + 1],
                    scale: scale.base + modulation, outputGradient: outputGradient.base + row * width,
                    inputGradient: inputGradient.base + row * width, shiftGradient: shiftGradient.base + modulation,
                    scaleGradient: scaleGradient.base + modulation, count: width)
                if let residual {
                    Gate.backwardRow(
                        inputGradient.base + row * width, gate: residual.gate.base + modulation,
                        branch: residual.branch.base + row * width,
                        gateGradient: residual.gateGradient.base + modulation,
                        branchGradient: residual.branchGradient.base + row * width, count: width)
                }
            }
        }
    }

    @inline(__always)
    private static func statistics(_ x: UnsafePointer<Float>, _ count: Int) -> (mean: Float, reciprocal: Float) {
        var sum = Vector()
        forEachVector(count) { i in
            sum += load(x + i)
        } part: { i, n in
            sum += loadPart(x + i, n)
        }
        let mean = lanesSum(sum) / Float(count)
        let means = Vector(repeating: mean)
        var squares = Vector()
        forEachVector(count) { i in
            let d = load(x + i) - means
            squares = multiplyAdd(d, d, squares)
        } part: { i, n in
            // The lanes past the end must not count: there the padding's zero stands for the mean.
            var d = loadPart(x + i, n) - means
            for lane in n..<16 { d[lane] = 0 }
            squares = multiplyAdd(d, d, squares)
        }
        return (mean, 1 / (lanesSum(squares) / Float(count) + epsilon).squareRoot())
    }

    @inline(__always)
    private static func modulate(
        _ x: UnsafePointer<Float>, _ mean: Float, _ reciprocal: Float, shift: UnsafePointer<Float>,
        scale: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>, count: Int
    ) {
        let means = Vector(repeating: mean)
        let reciprocals = Vector(repeating: reciprocal)
        let one = Vector(repeating: 1)
        forEachVector(count) { i in
            let normal = (load(x + i) - means) * reciprocals
            store(multiplyAdd(normal, one + load(scale + i), load(shift + i)), output + i)
        } part: { i, n in
            let normal = (loadPart(x + i, n) - means) * reciprocals
            storePart(multiplyAdd(normal, one + loadPart(scale + i, n), loadPart(shift + i, n)), output + i, n)
        }
    }

    @inline(__always)
    private static func backwardRow(
        _ x: UnsafePointer<Float>, mean: Float, reciprocal: Float, scale: UnsafePointer<Float>,
        outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>,
        shiftGradient: UnsafeMutablePointer<Float>, scaleGradient: UnsafeMutablePointer<Float>, count: Int
    ) {
        let means = Vector(repeating: mean)
        let reciprocals = Vector(repeating: reciprocal)
        let one = Vector(repeating: 1)
        var sum = Vector()
        var products = Vector()
        forEachVector(count) { i in
            let gradient = load(outputGradient + i)
            let normal = (load(x + i) - means) * reciprocals
            let scaled = gradient * (one + load(scale + i))
            sum += scaled
            products = multiplyAdd(scaled, normal, products)
            store(load(shiftGradient + i) + gradient, shiftGradient + i)
            store(multiplyAdd(gradient, normal, load(scaleGradient + i)), scaleGradient + i)
        } part: { i, n in
            let gradient = loadPart(outputGradient + i, n)
            let normal = (loadPart(x + i, n) - means) * reciprocals
            let scaled = gradient * (one + loadPart(scale + i, n))
            sum += scaled
            products = multiplyAdd(scaled, normal, products)
            storePart(loadPart(shiftGradient + i, n) + gradient, shiftGradient + i, n)
            storePart(multiplyAdd(gradient, normal, loadPart(scaleGradient + i, n)), scaleGradient + i, n)
        }
        let meanGradient = Vector(repeating: lanesSum(sum) / Float(count))
        let meanProduct = Vector(repeating: lanesSum(products) / Float(count))
        forEachVector(count) { i in
            let normal = (load(x + i) - means) * reciprocals
            let scaled = load(outputGradient + i) * (one + load(scale + i))
            let direct = scaled - meanGradient - normal * meanProduct
            store(multiplyAdd(direct, reciprocals, load(inputGradient + i)), inputGradient + i)
        } part: { i, n in
            let normal = (loadPart(x + i, n) - means) * reciprocals
            let scaled = loadPart(outputGradient + i, n) * (one + loadPart(scale + i, n))
            let direct = scaled - meanGradient - normal * meanProduct
            storePart(multiplyAdd(direct, reciprocals, loadPart(inputGradient + i, n)), inputGradient + i, n)
        }
    }
}
