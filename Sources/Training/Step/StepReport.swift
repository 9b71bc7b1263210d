import Model

/// What a step did, the same on every rank.
public struct StepReport: Equatable, Sendable {
    /// A step that was left out because a loss or a gradient was not finite.
    public struct Skipped: Equatable, Sendable, CustomStringConvertible {
        /// Where a sample whose loss is not finite stands.
        public struct Sample: Equatable, Sendable {
            /// In the global batch.
            public let position: Int
            public let file: String
            /// In the file.
            public let row: Int
        }

        /// Skipped steps without one between that was not, this one included.
        public let inARow: Int
        /// Ranks where something was not finite.
        public let ranks: [Int]
        public let samples: [Sample]

        public var description: String {
            let place = ranks.isEmpty ? "" : " on rank \(ranks.map(String.init).joined(separator: ", "))"
            guard !samples.isEmpty else { return "the gradient\(place) is not finite, though all losses are" }
            let listed = samples.prefix(4).map { "sample \($0.row) of \($0.file)" }.joined(separator: ", ")
            let more = samples.count > 4 ? " and \(samples.count - 4) more" : ""
            return "the loss of \(listed)\(more) is not finite\(place)"
        }
    }

    /// A slice of the weights that had changed in memory, and was fetched anew before the step was done again.
    public struct Repair: Equatable, Sendable, CustomStringConvertible {
        /// Whose copy had changed.
        public let ranks: [Int]
        /// Whose slice it is.
        public let owner: Int
        /// Whose copy was taken.
        public let source: Int

        public var description: String {
            "weights had changed in the memory of rank \(ranks.map(String.init).joined(separator: ", ")) (slice of rank "
                + "\(owner)); they were fetched anew from rank \(source) and the step was done again"
        }
    }

    /// Steps done, this one included.
    public let step: Int
    /// Means over the global batch, of what each sample counts (`TimestepSampler`); not finite where the step was skipped
    /// for it.
    public let loss, mse, vb: Double
    /// L2 norm of the whole gradient, before clipping.
    public let gradientNorm: Double
    /// What the gradient was multiplied by so that its norm is at most `optimizer.clipNorm`.
    public var clipping = 1.0
    public let learningRate: Double
    /// Without and with a gradient, as `training.backward` has them.
    public let iterations: Iterations
    /// Whether the sums were done again on other grids.
    public var isRedone = false
    /// Weights that had changed in memory.
    public var repairs: [Repair] = []
    /// Seconds that each rank computed, waiting for others left out.
    public let computeSeconds: [Double]
    /// Seconds that the rank which waited longest for its samples did so.
    public var waitSeconds = 0.0
    /// How far the ranks are with what they write in the background.
    let saving: StepVote.Saving
    /// Of the fixed point by iteration, where they were measured, the mean over the first samples of the batch; on rank 0.
    public var residuals: [Double]?
    /// Nil for a step that changed the weights.
    public var skipped: Skipped?

    /// - Parameter weights: of the samples, by position.
    init(step: Int, _ outcome: StepVote.Outcome, weights: [Double], iterations: Iterations, learningRate: Double) {
        let count = Double(outcome.mse.count)
        // In the order of positions.
        func sum(_ losses: [Double]) -> Double { zip(losses, weights).reduce(0) { $0 + $1.0 * $1.1 } }
        let (mse, vb) = (sum(outcome.mse), sum(outcome.vb))
        self.step = step
        (loss, self.mse, self.vb) = ((mse + vb) / count, mse / count, vb / count)
        gradientNorm = outcome.gradientNorm
        self.learningRate = learningRate
        self.iterations = iterations
        computeSeconds = outcome.computeSeconds
        saving = outcome.saving
    }
}
