/// x + gate * branch, the gate one vector for each sample: the residual connection of adaLN-Zero, forward beside
/// backward. Shapes as in `ModulatedNorm`.
public struct Gate: Sendable {
    public let width: Int
    public let tokens: Int
    public let modulationStride: Int

    public init(width: Int, tokens: Int, modulationStride: Int) {
        self.width = width
        self.tokens = tokens
        self.modulationStride = modulationStride
    }

    /// output [R, D] = input + gate * branch; may be in place.
    public func forward(
        _ engine: Engine, input: FloatBuffer, gate: FloatBuffer, branch: FloatBuffer, output: FloatBuffer, rows: Int
    ) {
        engine.pool.parallelRanges(rows, grain: 32) { range, _ in
            for row in range {
                Self.addRow(
                    input.base + row * width, gate: gate.base + row / tokens * modulationStride,
                    branch: branch.base + row * width, into: output.base + row * width, count: width)
            }
        }
    }

    /// branchGradient [R, D] = gate * outputGradient; gateGradient += the sum over tokens of outputGradient * branch.
    public func backward(
        _ engine: Engine, outputGradient: FloatBuffer, gate: FloatBuffer, branch: FloatBuffer,
        gateGradient: FloatBuffer, branchGradient: FloatBuffer, samples: Int
    ) {
        engine.pool.parallelFor(samples) { sample, _ in
            let modulation = sample * modulationStride
            for row in sample * tokens..<(sample + 1) * tokens {
                Self.backwardRow(
                    outputGradient.base + row * width, gate: gate.base + modulation, branch: branch.base + row * width,
                    gateGradient: gateGradient.base + modulation, branchGradient: branchGradient.base + row * width,
                    count: width)
            }
        }
    }

    @inline(__always)
    static func addRow(
        _ input: UnsafePointer<Float>, gate: UnsafePointer<Float>, branch: UnsafePointer<Float>,
        into output: UnsafeMutablePointer<Float>, count: Int
    ) {
        forEachVector(count) { i in
            store(multiplyAdd(load(gate + i), load(branch + i), load(input + i)), output + i)
        } part: { i, n in
            storePart(
                multiplyAdd(loadPart(gate + i, n), loadPart(branch + i, n), loadPart(input + i, n)), output + i, n)
        }
    }

    @inline(__always)
    static func backwardRow(
        _ outputGradient: UnsafePointer<Float>, gate: UnsafePointer<Float>, branch: UnsafePointer<Float>,
        gateGradient: UnsafeMutablePointer<Float>, branchGradient: UnsafeMutablePointer<Float>, count: Int
    ) {
        forEachVector(count) { i in
            let gradient = load(outputGradient + i)
            store(multiplyAdd(gradient, load(branch + i), load(gateGradient + i)), gateGradient + i)
            store(gradient * load(gate + i), branchGradient + i)
        } part: { i, n in
            let gradient = loadPart(outputGradient + i, n)
            storePart(
                multiplyAdd(gradient, loadPart(branch + i, n), loadPart(gateGradient + i, n)), gateGradient + i, n)
            storePart(gradient * loadPart(gate + i, n), branchGradient + i, n)
        }
    }
}
