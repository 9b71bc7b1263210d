import Compute
import Datasets
import Diffusion
import Distributed
import Jobs
import Model

/// Bits that a model needs for a value of a data set's images, at most: the variational bound over all noise levels
/// (Nichol & Dhariwal, arXiv 2102.09672, section 3), the same at any number of ranks.
public struct DatasetBits: Codable, Equatable, Sendable {
    /// One noise level.
    public struct Term: Codable, Equatable, Sendable {
        /// The training step.
        public let timestep: Int
        /// The bound's term, in bits a dimension.
        public let bits: Double
        /// Mean squared errors of the predicted image, and of the noise that follows from it.
        public let squaredErrorOfX0, squaredErrorOfNoise: Double
    }

    public let samples: Int
    /// The whole bound: the sum of `terms`, and `prior`.
    public let bitsPerDimension: Double
    /// What the noised end says of the image, which no training changes.
    public let prior: Double
    /// From the least noise, whose term is the likelihood of 8-bit values, to the most.
    public let terms: [Term]

    /// How it is measured.
    public struct Settings: Equatable, Sendable {
        /// Samples, from the first on; nil: all.
        public var count: Int?
        /// Samples in the network at once.
        public var batch = 64
        public var seed = 0
        /// Fixed-point iterations of each pass; a DiT ignores them.
        public var iterations = 8
        /// Noise levels of the process that is measured (`Respacing.timesteps`).
        public var respacing = ""
        /// Whether predicted images are clipped to [-1, 1].
        public var clip = true

        public init() {}
    }

    /// Measures. Collective.
    ///
    /// - Parameters:
    ///   - weights: a flat vector.
    ///   - progress: is told this rank's share that is done.
    /// - Throws: `RankFailure`, on all ranks alike, for data that do not fit or cannot be read, and a model without such a
    ///   bound.
    public init(
        _ dataset: ShardedDataset, _ job: JobConfiguration, weights: FloatBuffer, _ settings: Settings, engine: Engine,
        world: Communicator, progress: (Double) -> Void = { _ in }
    ) throws {
        let model = job.model
        let (bound, passes) = try world.agree {
            (
                try BitsPerDimension(
                    job.diffusion, learnSigma: model.learnSigma, channels: model.channels,
                    pixels: model.imageSize * model.imageSize, respacing: settings.respacing, clip: settings.clip),
                try NoisedPasses(
                    dataset, model, weights: weights, count: settings.count, batch: settings.batch, seed: settings.seed,
                    engine: engine)
            )
        }
        let (levels, blocks) = (bound.count, passes.blocks)
        // Of each level and block: bits and the two errors, summed over the block's samples in their order.
        var sums = SharedValues(count: 3 * levels * blocks)
        var priors = SharedValues(count: blocks)
        let iterations = Iterations(withoutGradient: settings.iterations, withGradient: 0)
        try world.agree {
            try passes.run(
                levels: levels, world, timestep: bound.originalTimestep,
                addNoise: { bound.addNoise(x0: $0, noise: $1, index: $2, into: $3) },
                forward: { passes.network.forward($0, iterations: iterations) },
                measure: { level, block, samples, pass in
                    var terms = [BitsPerDimension.Term?](repeating: nil, count: samples.count)
                    terms.withUnsafeMutableBufferPointer { terms in
                        engine.pool.parallelFor(samples.count) { i, _ in
                            let sample = pass(samples.lowerBound + i)
                            terms[i] = bound.term(
                                output: sample.output, x0: sample.x0, noise: sample.noise, index: level)
                        }
                    }
                    let all = terms.compactMap(\.self)
                    let place = 3 * (level * blocks + block)
                    sums[place] = all.reduce(0) { $0 + $1.bits }
                    sums[place + 1] = all.reduce(0) { $0 + $1.squaredErrorOfX0 }
                    sums[place + 2] = all.reduce(0) { $0 + $1.squaredErrorOfNoise }
                },
                progress: progress)
            try passes.forEachBlock(world) { block, images in
                priors[block] = images.reduce(0) { $0 + bound.prior(x0: $1) }
            }
        }
        try sums.share(world)
        try priors.share(world)

        let count = Double(passes.count)
        func mean(_ level: Int, _ which: Int) -> Double {
            (0..<blocks).reduce(0) { $0 + sums[3 * (level * blocks + $1) + which] } / count
        }
        samples = passes.count
        prior = priors.values.reduce(0, +) / count
        terms = (0..<levels).map { level in
            Term(
                timestep: bound.originalTimestep(at: level), bits: mean(level, 0), squaredErrorOfX0: mean(level, 1),
                squaredErrorOfNoise: mean(level, 2))
        }
        bitsPerDimension = terms.reduce(0) { $0 + $1.bits } + prior
    }
}
