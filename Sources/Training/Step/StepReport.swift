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

    /// Steps done, this one included.
    public let step: Int
    /// Means over the global batch; not finite where the step was skipped for it.
    public let loss, mse, vb: Double
    /// L2 norm of the whole gradient, before clipping.
    public let gradientNorm: Double
    /// What the gradient was multiplied by so that its norm is at most `optimizer.clipNorm`.
    public var clipping = 1.0
    public let learningRate: Double
    public let iterations: Iterations
    /// Whether the sums were done again on other grids.
    public var isRedone = false
    /// Seconds that each rank computed, waiting for others left out.
    public let computeSeconds: [Double]
    /// Seconds that the rank which waited longest for its samples did so.
    public var waitSeconds = 0.0
    /// Nil for a step that changed the weights.
    public var skipped: Skipped?

    init(step: Int, _ outcome: StepVote.Outcome, iterations: Iterations, learningRate: Double) {
        let count = Double(outcome.mse.count)
        // In the order of positions.
        let (mse, vb) = (outcome.mse.reduce(0, +), outcome.vb.reduce(0, +))
        self.step = step
        (loss, self.mse, self.vb) = ((mse + vb) / count, mse / count, vb / count)
        gradientNorm = outcome.gradientNorm
        self.learningRate = learningRate
        self.iterations = iterations
        computeSeconds = outcome.computeSeconds
    }
}
