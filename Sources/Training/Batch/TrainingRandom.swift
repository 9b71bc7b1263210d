import Compute
import Diffusion
import Jobs
import Model

/// Every random value of training, as a pure function of (seed, step, position in the global batch).
public struct TrainingRandom: Sendable {
    public let seed: UInt64

    public init(seed: Int) { self.seed = UInt64(bitPattern: Int64(seed)) }

    private func stream(_ purpose: RandomPurpose, _ step: Int, _ sample: Int = 0) -> RandomStream {
        RandomStream(seed: seed, purpose: purpose.rawValue, step: step, sample: sample)
    }

    /// Fills a flat vector with the network's start.
    public func initialize(_ table: ParameterTable, _ weights: FloatBuffer) {
        table.initialize(weights, seed: seed, purpose: RandomPurpose.initialization.rawValue)
    }

    /// Uniform in [0, 1).
    public func timestep(step: Int, sample: Int) -> Double { stream(.timestep, step, sample).uniform(0) }

    /// What a sampler chooses for the first `count` positions of the global batch.
    public func timesteps(_ sampler: TimestepSampler, step: Int, count: Int) -> [TimestepSampler.Choice] {
        (0..<count).map { sampler.choose(timestep(step: step, sample: $0)) }
    }

    /// Standard normal, `count` values of one sample.
    public func noise(step: Int, sample: Int, into output: UnsafeMutablePointer<Float>, count: Int) {
        stream(.noise, step, sample).normals(into: output, count: count)
    }

    /// Standard normal, `count` values with which one sample's latent is drawn from its moments.
    public func latent(step: Int, sample: Int, into output: UnsafeMutablePointer<Float>, count: Int) {
        stream(.latent, step, sample).normals(into: output, count: count)
    }

    public func dropsLabel(step: Int, sample: Int, probability: Double) -> Bool {
        probability > 0 && stream(.labelDrop, step, sample).uniform(0) < probability
    }

    public func flips(step: Int, sample: Int) -> Bool { stream(.flip, step, sample).bits(0) & 1 == 1 }

    /// Uniform in [0, 1), the same at every validation.
    public func validationTimestep(sample: Int) -> Double { stream(.validationTimestep, 0, sample).uniform(0) }

    /// Standard normal, `count` values of one held-out sample, the same at every validation.
    public func validationNoise(sample: Int, into output: UnsafeMutablePointer<Float>, count: Int) {
        stream(.validationNoise, 0, sample).normals(into: output, count: count)
    }

    /// As `latent`, of one held-out sample, the same at every validation.
    public func validationLatent(sample: Int, into output: UnsafeMutablePointer<Float>, count: Int) {
        stream(.validationLatent, 0, sample).normals(into: output, count: count)
    }

    /// One draw a step for all ranks, which also keeps them in step.
    public func iterations(step: Int, withoutGradient: IterationRange, withGradient: IterationRange) -> Iterations {
        func draw(_ index: Int, _ range: IterationRange) -> Int {
            // Both draws from one stream; a block yields one uniform number.
            range.min + stream(.iterations, step, index).integer(0, below: range.max - range.min + 1)
        }
        return Iterations(withoutGradient: draw(0, withoutGradient), withGradient: draw(1, withGradient))
    }
}
