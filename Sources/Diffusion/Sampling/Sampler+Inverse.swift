extension Sampler {
    /// Why its steps cannot be taken back; nil where they can. DDIM without noise can (arXiv 2010.02502, section 4.3), and
    /// Euler's steps along a velocity.
    public var inversionProblem: String? {
        if (0..<count).contains(where: usesNoise) {
            return
                "sampler \(kind.rawValue) adds noise in its steps, which no way back knows; set sampling.sampler: ddim and "
                + "sampling.eta: 0"
        }
        if (0..<count).contains(where: { evaluations(at: $0) > 1 }) {
            return "the steps of sampler \(kind.rawValue) ask the network twice; set sampling.sampler: flow"
        }
        if clippingLimit < .infinity {
            return "what sampling.clip cuts off is lost; set it to false"
        }
        if table.steps.contains(where: { abs($0.shareOfX) < 1e-6 }) {
            return
                "a step of sampler \(kind.rawValue) keeps nothing of what it begins from; choose a network that predicts "
                + "eps or v, or other steps (sampling.respacing)"
        }
        return nil
    }

    /// The x from which a step with this output leads to `next`.
    ///
    /// The output is itself one of x: asked for again at the x found, until that changes no more, it gives the x that the
    /// step really begins from.
    ///
    /// - Parameters:
    ///   - next: what the step from `index` leads to, [channels, pixels].
    ///   - output: of the network, for an x nearby, at `originalTimestep(at: index)`.
    ///   - x: [channels, pixels].
    /// - Precondition: there is no `inversionProblem`.
    public func invert(
        index: Int, next: UnsafePointer<Float>, output: UnsafePointer<Float>, x: UnsafeMutablePointer<Float>
    ) {
        precondition(index >= 0 && index < count, "step \(index) of \(count)")
        let step = table.steps[index]
        let (share, ofOutput) = (step.shareOfX, step.meanX0 * step.predictOutput)
        for i in 0..<channels * pixels { x[i] = Float((Double(next[i]) - ofOutput * Double(output[i])) / share) }
    }
}

extension SamplerTable.Step {
    /// What of x itself the next one is made of, beside the network's output.
    fileprivate var shareOfX: Double { meanX0 * predictX + meanX }
}
