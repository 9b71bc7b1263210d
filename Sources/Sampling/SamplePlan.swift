import Compute
import Diffusion
import Foundation
import Jobs
import Model
import Reporting

/// Which images to draw from a checkpoint, and how.
public struct SamplePlan: Sendable {
    public let model: ModelConfiguration
    public let sampler: Sampler
    public let options: ImageSampler.Options
    public let seed: UInt64
    public let count: Int
    public let batch: Int
    /// [count], or nil for a model without class labels.
    public let classes: [Int]?
    /// [rows, classes] of a model with continuous labels, taken by the images in turn; nil: the zeros that training
    /// puts in place of a dropped label.
    public let vectors: [Float]?

    /// - Parameters:
    ///   - job: its model, diffusion and sampling sections.
    ///   - classes: labels to draw in turn; nil: all classes in turn.
    ///   - vectors: [rows, model.classes], labels of a model with continuous ones.
    /// - Throws: `DiffusionError` or `Failure` for what cannot be drawn.
    public init(
        _ job: JobConfiguration, seed: Int, count: Int, classes: [Int]?, vectors: [Float]? = nil
    ) throws {
        let s = job.sampling
        model = job.model
        sampler = try Sampler(
            job.diffusion, learnSigma: model.learnSigma, channels: model.channels,
            pixels: model.imageSize * model.imageSize, kind: job.sampler, respacing: s.respacing, eta: s.eta,
            clipDenoised: s.clip)
        var options = ImageSampler.Options(
            iterations: try IterationAllocation.budget(
                total: s.iterations * sampler.count, steps: sampler.count, kind: s.allocation))
        options.guidance = s.guidance
        options.guidedChannels = s.guidedChannels
        options.reuseSolution = s.reuseSolution
        self.options = options
        self.seed = UInt64(bitPattern: Int64(seed))
        self.count = count
        batch = min(s.batch, count)
        self.vectors = vectors
        let most = Int(ProcessInfo.processInfo.physicalMemory) / 8 / model.imageValues
        guard 1...max(most, 1) ~= count else {
            throw Failure(.usage, "--count must be from 1 to \(most), what this machine's memory holds; is \(count)")
        }
        try Self.requireVectors(vectors, model, guidance: s.guidance)
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

    private static func requireVectors(_ vectors: [Float]?, _ model: ModelConfiguration, guidance: Double) throws {
        guard model.conditioning == .continuous else {
            guard vectors == nil else {
                throw Failure(
                    .usage, "--labels: this model has no label vectors (conditioning \(model.conditioning.rawValue))")
            }
            return
        }
        guard let vectors else {
            guard guidance == 1 else {
                throw Failure(
                    .usage,
                    "sampling.guidance needs labels to guide towards: give vectors with --labels, or set it to 1")
            }
            return
        }
        guard !vectors.isEmpty, vectors.count % model.classes == 0 else {
            throw Failure(.badData, "--labels: this model's label vectors have \(model.classes) values each")
        }
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
                    stream(.samplingStart, image).normals(
                        into: x.base + i * model.imageValues, count: model.imageValues)
                }
                let (labels, unconditional) = labels(range)
                images.sample(
                    x, count: range.count, labels: labels, unconditional: unconditional, weights: weights
                ) { index, image, output in
                    stream(.samplingNoise, range.lowerBound + image, step: index).normals(
                        into: output, count: model.imageValues)
                } onStep: { place, _ in
                    progress(range.upperBound, place + 1)
                }
                all += x.array.prefix(range.count * model.imageValues)
            }
            return all
        }
    }

    private func stream(_ purpose: RandomPurpose, _ image: Int, step: Int = 0) -> RandomStream {
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
            let zeros = [Float](repeating: 0, count: range.count * model.classes)
            guard let vectors else { return (.continuous(zeros), .continuous(zeros)) }
            let rows = vectors.count / model.classes
            let chosen = range.flatMap { image -> ArraySlice<Float> in
                let row = image % rows
                return vectors[row * model.classes..<(row + 1) * model.classes]
            }
            return (.continuous(chosen), .continuous(zeros))
        case .none:
            return (.none, .none)
        }
    }
}
