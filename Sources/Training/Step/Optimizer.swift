import Compute
import Glibc
import Jobs

/// AdamW with the job's learning-rate schedule, and the average of the weights.
public struct Optimizer: Sendable {
    private let optimizer: JobConfiguration.Optimizer
    private let ema: JobConfiguration.EMA
    private let steps: Int

    public init(_ optimizer: JobConfiguration.Optimizer, _ ema: JobConfiguration.EMA, steps: Int) {
        self.optimizer = optimizer
        self.ema = ema
        self.steps = steps
    }

    /// The learning rate of a step, counted from 0.
    public func learningRate(step: Int) -> Double {
        let peak = optimizer.learningRate
        if step < optimizer.warmupSteps { return peak * Double(step + 1) / Double(optimizer.warmupSteps) }
        let end = optimizer.decaySteps > 0 ? optimizer.decaySteps : steps
        let length = max(end - optimizer.warmupSteps, 1)
        let progress = min(Double(step - optimizer.warmupSteps) / Double(length), 1)
        let last = optimizer.finalLearningRate
        switch optimizer.schedule {
        case .constant: return peak
        case .linear: return peak * (1 + (last - 1) * progress)
        case .cosine: return peak * (last + (1 - last) * (1 + cos(.pi * progress)) / 2)
        }
    }

    /// The decay of the average at a step, counted from 0.
    public func emaDecay(step: Int) -> Double {
        ema.warmup ? min(ema.decay, Double(1 + step) / Double(10 + step)) : ema.decay
    }

    /// What the gradient is multiplied by, so that its norm is at most `clipNorm` (Pascanu et al., arXiv 1211.5063,
    /// section 3.2, as PyTorch's `clip_grad_norm_` has it).
    public func clipping(gradientNorm: Double) -> Double {
        guard let limit = optimizer.clipNorm else { return 1 }
        return min(1, limit / (gradientNorm + 1e-6))
    }

    /// One step of this rank's slice; `state.step` and `state.updates` go up by one.
    ///
    /// - Parameters:
    ///   - gradient: [slice]
    ///   - scale: as `clipping` gives it.
    public func apply(_ engine: Engine, gradient: FloatBuffer, scale: Double = 1, to state: TrainingState) {
        let settings = AdamW(
            learningRate: learningRate(step: state.step), beta1: optimizer.beta1, beta2: optimizer.beta2,
            epsilon: optimizer.epsilon, weightDecay: optimizer.weightDecay, emaDecay: emaDecay(step: state.step))
        state.step += 1
        state.updates += 1
        settings.apply(
            engine, gradient: gradient, gradientScale: Float(scale),
            to: .init(
                weights: state.weights[state.slice], firstMoment: state.firstMoment, secondMoment: state.secondMoment,
                ema: state.ema),
            step: state.updates)
    }
}
