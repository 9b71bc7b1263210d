import Compute
import Datasets
import Diffusion
import Distributed
import Jobs
import Model
import Reporting

/// How far fixed-point solves of a data set's noised images are from their fixed points, by noise level and iteration, the
/// same at any number of ranks.
public struct DatasetResiduals: Codable, Equatable, Sendable {
    /// One noise level.
    public struct Level: Codable, Equatable, Sendable {
        /// The training step.
        public let timestep: Int
        /// ||f(z) - z|| / ||z|| before each iteration, the mean over the samples (`ResidualMeter`).
        public let residuals: [Double]
    }

    public let samples: Int
    public let iterations: Int
    public let levels: [Level]

    /// How it is measured.
    public struct Settings: Equatable, Sendable {
        /// Samples, from the first on.
        public var count = 64
        /// Samples in the network at once.
        public var batch = 64
        public var seed = 0
        public var iterations = 8
        /// States that Anderson acceleration remembers; nil for plain iterations.
        public var solverMemory: Int?
        /// Training steps to measure at; nil: `standardLevels`, evenly spread from first to last.
        public var timesteps: [Int]?

        public static let standardLevels = 10

        public init() {}
    }

    /// Measures. Collective.
    ///
    /// - Parameters:
    ///   - weights: a flat vector.
    ///   - progress: is told this rank's share that is done.
    /// - Throws: `RankFailure`, on all ranks alike, for a DiT, steps that are none, and data that do not fit or cannot be
    ///   read.
    public init(
        _ dataset: ShardedDataset, _ job: JobConfiguration, weights: FloatBuffer, _ settings: Settings, engine: Engine,
        world: Communicator, progress: (Double) -> Void = { _ in }
    ) throws {
        let model = job.model
        let (objective, timesteps, passes) = try world.agree {
            guard model.fixedPoint else {
                throw Failure(.usage, "a DiT has no fixed point, and so no residuals; measure an FPDM")
            }
            return (
                try Objective(
                    job.diffusion, learnSigma: model.learnSigma, channels: model.channels,
                    pixels: model.imageSize * model.imageSize),
                try Self.timesteps(settings.timesteps, of: job.diffusion.steps),
                try NoisedPasses(
                    dataset, model, weights: weights, count: settings.count, batch: settings.batch, seed: settings.seed,
                    engine: engine)
            )
        }
        let (count, blocks) = (settings.iterations, passes.blocks)
        // Of accelerated solves f(z) is not the next state: who steers them knows it.
        let meter = ResidualMeter(model, samples: passes.network.capacity, engine: engine)
        let control = settings.solverMemory.map {
            SolveControl(model, samples: passes.network.capacity, memory: $0, engine: engine)
        }
        // Of each level, iteration and block: summed over the block's samples in their order.
        var sums = SharedValues(count: timesteps.count * count * blocks)
        try world.agree {
            try passes.run(
                levels: timesteps.count, world, timestep: { timesteps[$0] },
                addNoise: { objective.addNoise(x0: $0, noise: $1, t: timesteps[$2], into: $3) },
                forward: { input in
                    let iterations = Iterations(withoutGradient: count, withGradient: 0)
                    control?.begin(tolerance: 0, most: [Int](repeating: count, count: input.timesteps.count))
                    passes.network.forward(
                        input, iterations: iterations, onState: control == nil ? meter.record : nil, control: control)
                },
                measure: { level, block, samples, _ in
                    for (k, residuals) in (control?.residuals ?? meter.perSample).enumerated() {
                        sums[(level * count + k) * blocks + block] = residuals[samples].reduce(0, +)
                    }
                },
                progress: progress)
        }
        try sums.share(world)
        samples = passes.count
        iterations = count
        levels = timesteps.enumerated().map { level, timestep in
            Level(
                timestep: timestep,
                residuals: (0..<count).map { k in
                    let first = (level * count + k) * blocks
                    return sums.values[first..<first + blocks].reduce(0, +) / Double(passes.count)
                })
        }
    }

    private static func timesteps(_ wanted: [Int]?, of steps: Int) throws -> [Int] {
        guard let wanted else {
            let levels = min(Settings.standardLevels, steps)
            return (0..<levels).map { levels == 1 ? 0 : $0 * (steps - 1) / (levels - 1) }
        }
        if let wrong = wanted.first(where: { !(0..<steps).contains($0) }) {
            throw Failure(.usage, "--timesteps: \(wrong) is none of this model's steps, which are 0 to \(steps - 1)")
        }
        guard !wanted.isEmpty else { throw Failure(.usage, "--timesteps names no step; leave it out for ten of them") }
        return wanted
    }
}
