import Compute
import Diffusion
import Model
import Training

/// Which images to draw from a checkpoint, and how.
public struct SamplePlan: Sendable {
    /// Random streams of sampling; kept apart from training's by their numbers.
    private enum Purpose: UInt8 {
        case start = 128
        case noise = 129
    }

    public let model: ModelConfiguration
    public let sampler: Sampler
    public let options: ImageSampler.Options
    public let seed: UInt64
    public let count: Int
    public let batch: Int
    /// [count], or nil for a model without class labels.
    public let classes: [Int]?

    /// - Parameters:
    ///   - job: its model, diffusion and sampling sections.
    ///   - classes: labels to draw in turn; nil: all classes in turn.
    /// - Throws: `DiffusionError` or `Failure` for what cannot be drawn.
    public init(_ job: JobConfiguration, seed: Int, count: Int, classes: [Int]?) throws {
        let s = job.sampling
        model = job.model
        guard let kind = SamplerKind(rawValue: job.sampler.rawValue) else {
            throw Failure(.badData, "sampling.sampler: \(job.sampler.rawValue) is not a sampler")
        }
        sampler = try Sampler(
            job.diffusion, learnSigma: model.learnSigma, channels: model.channels,
            pixels: model.imageSize * model.imageSize, kind: kind, respacing: s.respacing, eta: s.eta,
            clipDenoised: s.clip)
        guard let allocation = IterationAllocation(rawValue: s.allocation.rawValue) else {
            throw Failure(.badData, "sampling.allocation: \(s.allocation.rawValue) is not an allocation")
        }
        var options = ImageSampler.Options(
            iterations: try IterationAllocation.budget(
                total: s.iterations * sampler.count, steps: sampler.count, kind: allocation))
        options.guidance = s.guidance
        options.guidedChannels = s.guidedChannels
        options.reuseSolution = s.reuseSolution
        self.options = options
        self.seed = UInt64(bitPattern: Int64(seed))
        self.count = count
        batch = min(s.batch, count)
        guard count > 0 else { throw Failure(.usage, "--count must be positive") }
        guard model.conditioning == .classes else {
            guard classes == nil else {
                throw Failure(.usage, "this model has no classes (conditioning \(model.conditioning.rawValue))")
            }
            self.classes = nil
            return
        }
        let all = 0..<job.model.classes
        let turn = classes ?? Array(all)
        guard !turn.isEmpty else { throw Failure(.usage, "--classes names no class; leave it out for all") }
        if let wrong = turn.first(where: { !all.contains($0) }) {
            throw Failure(.usage, "class \(wrong) is outside 0...\(all.upperBound - 1)")
        }
        self.classes = (0..<count).map { turn[$0 % turn.count] }
    }

    /// Draws all images; `progress` is called after each sampling step with the images and steps done.
    ///
    /// - Parameter weights: a flat vector.
    /// - Returns: [count, C, S, S]
    public func run(
        _ engine: Engine, weights: FloatBuffer, progress: (_ images: Int, _ step: Int) -> Void = { _, _ in }
    ) -> [Float] {
        let images = ImageSampler(model, sampler: sampler, options: options, engine: engine, capacity: batch)
        let (arena, x) = Arena.build("images") { $0.take(batch * model.imageValues) }
        return withExtendedLifetime(arena) {
            var all: [Float] = []
            all.reserveCapacity(count * model.imageValues)
            for first in stride(from: 0, to: count, by: batch) {
                let range = first..<min(first + batch, count)
                for (i, image) in range.enumerated() {
                    stream(.start, image).normals(into: x.base + i * model.imageValues, count: model.imageValues)
                }
                let (labels, unconditional) = labels(range)
                images.sample(
                    x, count: range.count, labels: labels, unconditional: unconditional, weights: weights
                ) { index, image, output in
                    stream(.noise, range.lowerBound + image, step: index).normals(
                        into: output, count: model.imageValues)
                } onStep: { place, _ in
                    progress(range.upperBound, place + 1)
                }
                all += x.array.prefix(range.count * model.imageValues)
            }
            return all
        }
    }

    private func stream(_ purpose: Purpose, _ image: Int, step: Int = 0) -> RandomStream {
        RandomStream(seed: seed, purpose: purpose.rawValue, step: step, sample: image)
    }

    private func labels(_ range: Range<Int>) -> (Labels, unconditional: Labels) {
        switch model.conditioning {
        case .classes:
            return (
                .classes((classes ?? []).isEmpty ? [] : Array((classes ?? [])[range])),
                .classes([Int](repeating: model.classes, count: range.count))
            )
        case .continuous:
            // Without a vector to follow, the one that training puts in place of a dropped label.
            let zeros = [Float](repeating: 0, count: range.count * model.classes)
            return (.continuous(zeros), .continuous(zeros))
        case .none:
            return (.none, .none)
        }
    }
}
