import Compute
import Datasets
import Diffusion
import Foundation
import Jobs
import Model
import TestSupport
import Testing

@testable import Training

/// Latents drawn anew from moments at each use.
@Suite struct MomentsTrainingTests {
    private static let (scale, shift) = (0.4, 0.25)
    private static let (count, values) = (4, 2 * 4 * 4)

    private let job: ResolvedJob
    private let random: TrainingRandom
    private let folder: TestFolder

    init() throws {
        var job = JobConfiguration()
        job.model = tinyModel { $0.classes = 7 }
        (job.training.globalBatch, job.training.virtualRanks, job.training.microbatch) = (Self.count, 1, Self.count)
        (job.data.horizontalFlip, job.data.labelDropout) = (true, 0)
        self.job = job.resolved { _ in .keep }
        random = TrainingRandom(seed: job.run.seed)
        folder = try TestFolder()
    }

    /// [2, values] of a sample.
    private static func moments(_ index: Int) -> [Float] {
        randomFloats(2 * values, seed: UInt64(index) + 1).enumerated().map {
            $0.offset < values ? $0.element : $0.element - 2
        }
    }

    private func dataset(_ name: String, channels: Int, _ images: @escaping @Sendable (Int) -> [Float]) throws
        -> ShardedDataset
    {
        var source = MadeUpSource(count: Self.count, channels: channels, side: 4, type: .float32, scaling: (1, 0))
        source.change = { $1.values = .floats(images($0)) }
        let isMoments = channels == 4
        if isMoments { source.latents = LatentScaling(scale: Self.scale, shift: Self.shift, autoencoder: nil) }
        try DatasetWriter.write(source, to: folder(name), content: isMoments ? "moments" : "latents")
        return try ShardedDataset(path: folder(name))
    }

    private func losses(_ dataset: ShardedDataset, step: Int?) throws -> [Double] {
        let samples = SampleBatch(dataset, count: Self.count)
        try samples.read(dataset, Array(0..<Self.count))
        let accumulator = try BatchAccumulator(job, engine: try Engine(threads: 2))
        return withMemory { memory in
            accumulator.load(memory.floats(testWeights(accumulator.table)))
            let iterations = Iterations(withoutGradient: 0, withGradient: 0)
            guard let step else {
                return accumulator.losses(samples, 0..<Self.count, first: 0, random: random, iterations: iterations)
                    .map(\.mse)
            }
            return accumulator.accumulate(
                samples, 0..<Self.count, first: 0, step: step, random: random,
                choices: random.timesteps(
                    TimestepSampler(.uniform, steps: job.diffusion.steps), step: step, count: Self.count),
                iterations: iterations, into: memory.zeros(accumulator.table.flatCount)
            ).map(\.mse)
        }
    }

    @Test("a step sees (mean + deviation x noise - shift) x scale, noise being a function of seed, step and position")
    func drawn() throws {
        let moments = try dataset("moments", channels: 4) { Self.moments($0) }
        // The same latents, drawn from the streams here.
        func latents(_ name: String, _ stream: @escaping @Sendable (Int) -> RandomStream) throws -> ShardedDataset {
            try dataset(name, channels: 2) { index in
                let (m, noise) = (Self.moments(index), stream(index).normals(Self.values))
                return (0..<Self.values).map {
                    (m[$0] + exp(0.5 * m[Self.values + $0]) * noise[$0] - Float(Self.shift)) * Float(Self.scale)
                }
            }
        }
        let seed = random.seed
        var seen: Set<[Double]> = []
        for step in [0, 3] {
            let same = try latents("latents\(step)") {
                RandomStream(seed: seed, purpose: RandomPurpose.latent.rawValue, step: step, sample: $0)
            }
            let found = try losses(moments, step: step)
            #expect(found == (try losses(same, step: step)), "step \(step)")
            #expect(found == (try losses(moments, step: step)), "step \(step) again")
            seen.insert(found)
        }
        #expect(seen.count == 2)
        let held = try latents("held") {
            RandomStream(seed: seed, purpose: RandomPurpose.validationLatent.rawValue, sample: $0)
        }
        #expect(try losses(moments, step: nil) == (try losses(held, step: nil)), "validation")
    }
}
