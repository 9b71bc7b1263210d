/// A reverse process as numbers: what depends on the step alone, found once. Each kind of sampler is one such table.
struct SamplerTable: Sendable {
    /// One step: x0 is predicted as `predictX * x + predictOutput * output`, and the next x is
    /// `meanX0 * x0 + meanX * x`, plus noise.
    struct Step: Sendable {
        /// The training step, which is what the network sees.
        let timestep: Int
        let predictX: Double
        let predictOutput: Double
        let meanX0: Double
        let meanX: Double
        let noise: Noise
        /// The training step at which the network is asked again, of the x that follows; nil where once is enough.
        var again: Int?
    }

    /// The noise that a step adds.
    enum Noise: Sendable {
        case none
        /// Standard normal noise times this standard deviation, which is more than 0.
        case scaled(Double)
        /// The second half of output channels interpolates between these log-variances (arXiv 2102.09672, eq. 15).
        case learned(smallest: Double, largest: Double)
    }

    /// The step from each index to the one before; index 0 is taken last.
    let steps: [Step]
    /// Whether the prediction is an image, so that it may be clipped to [-1, 1].
    let predictsImage: Bool
}

extension DiffusionConfiguration.Target {
    /// How x0 is predicted: from alphasCumprod of a step to the weights of x and of the network's output.
    ///
    /// - Parameter kind: the sampler that asks.
    /// - Throws: `DiffusionError` where the network predicts a velocity, from which no step along a noise schedule
    ///   follows.
    func imagePrediction(for kind: SamplerKind) throws -> (_ alphasCumprod: Double) -> (x: Double, output: Double) {
        switch self {
        case .eps: return { ((1 / $0).squareRoot(), -(1 / $0 - 1).squareRoot()) }
        case .v: return { ($0.squareRoot(), -(1 - $0).squareRoot()) }
        case .x0: return { _ in (0, 1) }
        case .flow:
            throw DiffusionError(
                "sampler \(kind.rawValue) cannot follow a velocity, which this network predicts; choose flow")
        }
    }
}
