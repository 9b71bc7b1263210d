import Compute
import Datasets
import Diffusion
import Jobs
import Model

/// Losses and gradients of microbatches of a data set's samples, with the noise, timesteps and label drops that the
/// job asks for.
final class BatchAccumulator {
    private let job: ResolvedJob
    private let engine: Engine
    private let lossGradient: LossGradient
    private let arena: Arena
    private let images: FloatBuffer  // [microbatch, C, S, S]
    private let noise: FloatBuffer  // [microbatch, C, S, S]
    /// nil where residuals are not asked for.
    private let meter: ResidualMeter?

    var table: ParameterTable { lossGradient.network.table }
    var bytes: Int { lossGradient.bytes + arena.bytes + (meter?.bytes ?? 0) }

    /// Takes over the weights as they are now (`Network.load`).
    func load(_ weights: FloatBuffer) { lossGradient.load(weights) }

    /// - Throws: `DiffusionError` for an objective that cannot be.
    init(_ job: ResolvedJob, engine: Engine) throws {
        self.job = job
        self.engine = engine
        let samples = job.microbatchSize
        lossGradient = try LossGradient(
            job.model, job.diffusion, engine: engine, capacity: samples,
            activations: job.activations, iterations: job.training.mostIterationsWithGradient,
            backward: job.training.backward)
        meter = job.measuredSamples > 0 ? ResidualMeter(job.model, samples: job.measuredSamples, engine: engine) : nil
        (arena, (images, noise)) = Arena.build("images and noise") { Self.take($0, job) }
    }

    private static func take(_ arena: Arena, _ job: ResolvedJob) -> (FloatBuffer, FloatBuffer) {
        let values = job.microbatchSize * job.model.imageValues
        return (arena.take(values), arena.take(values))
    }

    /// Bytes of an accumulator, without taking them.
    static func bytes(_ job: ResolvedJob, engine: Engine) -> Int {
        LossGradient.bytes(
            job.model, capacity: job.microbatchSize, activations: job.activations,
            iterations: job.training.mostIterationsWithGradient, backward: job.training.backward, engine: engine)
            + (job.measuredSamples > 0 ? ResidualMeter.bytes(job.model, samples: job.measuredSamples) : 0)
            + Arena.measure("images and noise") { take($0, job) } * MemoryLayout<Float>.stride
    }

    /// Bytes that its products take for themselves while they run.
    static func productBytes(_ job: ResolvedJob, engine: Engine) -> Int {
        Network.productBytes(
            job.model, capacity: job.microbatchSize,
            use: .training(
                activations: job.activations, iterations: job.training.mostIterationsWithGradient,
                gradient: job.training.backward), engine: engine)
    }

    /// Adds the gradient of one microbatch's share of the mean loss over the global batch.
    ///
    /// - Parameters:
    ///   - samples: which are only read, so that a step can be done again.
    ///   - positions: of the microbatch in the global batch.
    ///   - first: the position of the first of `samples`.
    ///   - choices: the step of each sample, and what it counts; of the positions of the global batch.
    ///   - gradient: [flat]
    ///   - measuring: whether the residuals of the microbatch's first samples are wanted.
    /// - Returns: the losses, without weights, in the order of positions.
    func accumulate(
        _ samples: SampleBatch, _ positions: Range<Int>, first: Int, step: Int, random: TrainingRandom,
        choices: [TimestepSampler.Choice], iterations: Iterations, into gradient: FloatBuffer, measuring: Bool = false
    ) -> [(position: Int, mse: Double, vb: Double)] {
        let model = job.model
        let own = positions.lowerBound - first..<positions.upperBound - first
        engine.pool.parallelFor(positions.count) { i, _ in
            let position = positions.lowerBound + i
            let image = images.base + i * model.imageValues
            random.noise(
                step: step, sample: position, into: noise.base + i * model.imageValues, count: model.imageValues)
            samples.image(own.lowerBound + i, into: image) {
                random.latent(step: step, sample: position, into: image, count: model.imageValues)
            }
            if job.data.horizontalFlip, random.flips(step: step, sample: position) {
                Self.flip(image, side: model.imageSize, rows: model.channels * model.imageSize)
            }
        }
        let batch = LossGradient.Microbatch(
            images: images, noise: noise, timesteps: choices[positions].map(\.timestep),
            labels: samples.labels(own, model),
            drop: positions.map { random.dropsLabel(step: step, sample: $0, probability: job.data.labelDropout) },
            weights: choices[positions].map(\.weight))
        let losses = lossGradient.losses(
            batch, iterations: iterations, scale: 1 / Double(job.training.globalBatch),
            gradients: gradient, meter: measuring ? meter : nil)
        return zip(positions, losses).map { ($0, $1.mse, $1.vb) }
    }

    /// The mean residual of each iteration of the newest microbatch that was measured.
    var residuals: [Double] { meter?.means ?? [] }

    /// The losses of held-out samples whose timesteps and noise depend on their place in the data set alone.
    func losses(
        _ samples: SampleBatch, _ positions: Range<Int>, first: Int, random: TrainingRandom, iterations: Iterations
    ) -> [(position: Int, mse: Double, vb: Double)] {
        let model = job.model
        let own = positions.lowerBound - first..<positions.upperBound - first
        engine.pool.parallelFor(positions.count) { i, _ in
            let image = images.base + i * model.imageValues
            random.validationNoise(
                sample: positions.lowerBound + i, into: noise.base + i * model.imageValues, count: model.imageValues)
            samples.image(own.lowerBound + i, into: image) {
                random.validationLatent(sample: positions.lowerBound + i, into: image, count: model.imageValues)
            }
        }
        let objective = lossGradient.objective
        let batch = LossGradient.Microbatch(
            images: images, noise: noise,
            timesteps: positions.map { objective.timestep(uniform: random.validationTimestep(sample: $0)) },
            labels: samples.labels(own, model), drop: nil)
        let losses = lossGradient.losses(batch, iterations: iterations, scale: 1, gradients: nil)
        return zip(positions, losses).map { ($0, $1.mse, $1.vb) }
    }

    /// Mirrors rows of `side` pixels.
    private static func flip(_ image: UnsafeMutablePointer<Float>, side: Int, rows: Int) {
        for row in 0..<rows {
            let line = image + row * side
            for i in 0..<side / 2 { (line[i], line[side - 1 - i]) = (line[side - 1 - i], line[i]) }
        }
    }
}

extension ResolvedJob {
    /// Samples whose residuals are measured: those of the first group of the global batch, which is part of the first
    /// microbatch however large that is. 0 where none are.
    fileprivate var measuredSamples: Int {
        guard self.run.residualsEvery > 0, self.model.fixedPoint else { return 0 }
        return min(self.model.cut.groupSamples, self.training.virtualRankSize)
    }
}

extension SampleBatch {
    /// One sample as a network takes it: as it is, or a latent drawn from its moments.
    ///
    /// - Parameters:
    ///   - image: takes [C, S, S].
    ///   - noise: fills it with standard normal values first, where a latent is drawn.
    func image(_ index: Int, into image: UnsafeMutablePointer<Float>, noise: () -> Void) {
        let stored = images.slice(index * imageValues, imageValues)
        guard let latents else { return image.update(from: stored.base, count: imageValues) }
        noise()
        LatentMoments.draw(
            stored, noise: FloatBuffer(image, count: imageValues / 2), scale: latents.scale, shift: latents.shift)
    }

    /// Labels of some samples, as a network takes them.
    func labels(_ range: Range<Int>, _ model: ModelConfiguration) -> Labels {
        switch model.conditioning {
        case .classes: .classes(classes[range].map { Int($0) })
        case .continuous:
            .continuous(Array(vectors[range.lowerBound * model.classes..<range.upperBound * model.classes]))
        case .none: .none
        }
    }
}
