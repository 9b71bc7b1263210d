import Glibc

extension Sampler {
    /// One reverse step of one sample, from index `index` to the one before.
    ///
    /// - Parameters:
    ///   - x: the sample at `index`, [channels, pixels].
    ///   - output: of the network for `x` at `originalTimestep(at: index)`, [channels, pixels], or
    ///     [2 * channels, pixels] where the network was said to learn variances.
    ///   - noise: standard normal, [channels, pixels]; may be nil where `usesNoise(at:)` is false, and is not read
    ///     there.
    ///   - next: [channels, pixels]; may be `x` itself.
    public func step(
        index: Int, x: UnsafePointer<Float>, output: UnsafePointer<Float>, noise: UnsafePointer<Float>?,
        next: UnsafeMutablePointer<Float>
    ) {
        precondition(index >= 0 && index < count, "step \(index) of \(count)")
        let step = table.steps[index]
        let limit = clippingLimit
        let values = channels * pixels
        var drawn: UnsafePointer<Float> {
            guard let noise else { preconditionFailure("step \(index) of a \(kind.rawValue) sampler needs noise") }
            return noise
        }
        switch step.noise {
        case .none:
            for i in 0..<values { next[i] = Float(step.mean(Double(x[i]), Double(output[i]), limit: limit)) }
        case .scaled(let deviation):
            let noise = drawn
            for i in 0..<values {
                let mean = step.mean(Double(x[i]), Double(output[i]), limit: limit)
                next[i] = Float(mean + deviation * Double(noise[i]))
            }
        case .learned(let smallest, let largest):
            let noise = drawn
            // Interpolated log-variance (arXiv 2102.09672, eq. 15), halved for the standard deviation.
            let low = smallest / 2
            let width = largest / 2 - low
            for i in 0..<values {
                let deviation = exp(low + (Double(output[values + i]) + 1) / 2 * width)
                let mean = step.mean(Double(x[i]), Double(output[i]), limit: limit)
                next[i] = Float(mean + deviation * Double(noise[i]))
            }
        }
    }
}

extension Sampler {
    /// The second half of a step that asks the network twice: turns what `step` has made into what follows from the mean of
    /// both outputs.
    ///
    /// - Parameters:
    ///   - first: the output that `step` was given, [channels, pixels].
    ///   - second: of the network for what `step` made, at `secondTimestep(at: index)`, [channels, pixels].
    ///   - next: what `step` made, [channels, pixels]; is changed.
    public func correct(
        index: Int, first: UnsafePointer<Float>, second: UnsafePointer<Float>, next: UnsafeMutablePointer<Float>
    ) {
        precondition(secondTimestep(at: index) != nil, "step \(index) of \(kind.rawValue) has one evaluation")
        let half = table.steps[index].meanX0 * table.steps[index].predictOutput / 2
        for i in 0..<channels * pixels {
            next[i] = Float(Double(next[i]) + half * (Double(second[i]) - Double(first[i])))
        }
    }
}

extension SamplerTable.Step {
    /// The deterministic part of a step, its prediction clipped to [-limit, limit].
    @inline(__always)
    fileprivate func mean(_ x: Double, _ output: Double, limit: Double) -> Double {
        let prediction = predictX * x + predictOutput * output
        // Written so that a NaN passes through.
        let x0 = prediction > limit ? limit : (prediction < -limit ? -limit : prediction)
        return meanX0 * x0 + meanX * x
    }
}
