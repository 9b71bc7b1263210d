import Glibc

extension Sampler {
    /// One reverse step of one sample, from index `index` to the one before.
    ///
    /// - Parameters:
    ///   - x: the sample at `index`, [channels, pixels].
    ///   - output: of the network for `x` at `originalTimestep(at: index)`, [outputChannels, pixels].
    ///   - noise: standard normal, [channels, pixels]; may be nil where `usesNoise(at:)` is false, and is not read
    ///     there.
    ///   - next: [channels, pixels]; may be `x` itself.
    public func step(
        index: Int, x: UnsafePointer<Float>, output: UnsafePointer<Float>, noise: UnsafePointer<Float>?,
        next: UnsafeMutablePointer<Float>
    ) {
        precondition(index >= 0 && index < count, "step \(index) of \(count)")
        let mean = Mean(self, index: index)
        let values = channels * pixels
        guard usesNoise(at: index) else {
            for i in 0..<values { next[i] = Float(mean(Double(x[i]), Double(output[i]))) }
            return
        }
        guard let noise else { preconditionFailure("step \(index) of a \(kind.rawValue) sampler needs noise") }
        if let learned = learnedLogVariances {
            // Interpolated log-variance (arXiv 2102.09672, eq. 15), halved for the standard deviation.
            let low = learned.smallest[index] / 2
            let width = learned.largest[index] / 2 - low
            for i in 0..<values {
                let deviation = exp(low + (Double(output[values + i]) + 1) / 2 * width)
                next[i] = Float(mean(Double(x[i]), Double(output[i])) + deviation * Double(noise[i]))
            }
        } else {
            let deviation = noiseScale[index]
            for i in 0..<values {
                next[i] = Float(mean(Double(x[i]), Double(output[i])) + deviation * Double(noise[i]))
            }
        }
    }
}

/// The deterministic part of a step.
private struct Mean {
    let predictX: Double
    let predictOutput: Double
    let meanX0: Double
    let meanX: Double
    let limit: Double

    init(_ sampler: Sampler, index: Int) {
        predictX = sampler.predictX[index]
        predictOutput = sampler.predictOutput[index]
        meanX0 = sampler.meanX0[index]
        meanX = sampler.meanX[index]
        limit = sampler.clipDenoised && sampler.kind != .flow ? 1 : .infinity
    }

    @inline(__always)
    func callAsFunction(_ x: Double, _ output: Double) -> Double {
        let prediction = predictX * x + predictOutput * output
        // Written so that a NaN passes through.
        let x0 = prediction > limit ? limit : (prediction < -limit ? -limit : prediction)
        return meanX0 * x0 + meanX * x
    }
}
