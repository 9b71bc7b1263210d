import Diffusion
import Foundation
import Jobs
import Model
import Reporting

/// Which images to draw, and how.
///
/// An image is a function of the plan's seed and of its index. Images are drawn in groups of eight fixed indices, so that
/// however they are shared out, over calls, batches, ranks and tasks, each is the same bits.
public struct SamplePlan: Sendable {
    /// Images of a group.
    public static let groupSize = 8
    /// A random stream numbers its samples with 32 bits.
    public static let indexLimit = 0..<4_294_967_296

    public let model: ModelConfiguration
    public let sampler: Sampler
    public let options: ImageSampler.Options
    public let seed: UInt64
    /// Indices of the images.
    public let range: Range<Int>
    public let labels: SampleLabels
    /// [images, C, S, S]: what image i is drawn from is the i-th of them, in place of random noise; nil where it is that.
    public let starts: [Float]?
    /// Images in the network at once, if they may be chosen freely.
    let wantedBatch: Int

    /// - Parameters:
    ///   - job: its model, diffusion and sampling sections.
    ///   - range: indices of the images.
    ///   - starts: [images, C, S, S], those up to the end of `range` at least.
    /// - Throws: `DiffusionError` or `Failure` for what cannot be drawn.
    public init(_ job: JobConfiguration, seed: Int, range: Range<Int>, labels: SampleLabels, starts: [Float]? = nil)
        throws
    {
        let s = job.sampling
        model = job.model
        sampler = try Sampler(
            job.diffusion, learnSigma: model.learnSigma, channels: model.channels,
            pixels: model.imageSize * model.imageSize, kind: job.sampler, respacing: s.respacing, eta: s.eta,
            clipDenoised: s.clip)
        var options = ImageSampler.Options(
            iterations: try s.iterationList
                ?? IterationAllocation.budget(
                    total: s.iterations * sampler.count, steps: sampler.count, kind: s.allocation))
        guard options.iterations.count == sampler.count else {
            throw Failure(
                .usage,
                "sampling.iterationList: \(options.iterations.count) counts for \(sampler.count) sampling steps; give one "
                    + "for each")
        }
        options.tolerance = s.tolerance
        options.solverMemory = s.solver == .anderson ? s.solverMemory : nil
        options.guidanceInterval = s.guidanceInterval
        options.guidance = s.guidance
        options.guidedChannels = s.guidedChannels
        options.reuseSolution = s.reuseSolution
        self.options = options
        self.seed = UInt64(bitPattern: Int64(seed))
        self.range = range
        self.labels = labels
        self.starts = starts
        wantedBatch = s.batch
        let limit = Self.indexLimit
        guard !range.isEmpty, range.lowerBound >= limit.lowerBound, range.upperBound <= limit.upperBound else {
            throw Failure(
                .usage,
                "--first \(range.lowerBound) --count \(range.count): count must be 1 or more, and indices go from "
                    + "\(limit.lowerBound) to \(limit.upperBound - 1)")
        }
        if let starts, starts.count < range.upperBound * model.imageValues {
            throw Failure(
                .usage,
                "image \(range.upperBound - 1) is to be drawn from noise of which there is \(starts.count / model.imageValues) "
                    + "images: ask for fewer with --count")
        }
        if labels == .dropped, s.guidance != 1 {
            throw Failure(
                .usage, "sampling.guidance needs labels to guide towards: give vectors with --labels, or set it to 1")
        }
    }

    /// The groups that hold images of `range`, each with the indices that are wanted of it.
    public var groups: [Range<Int>] {
        let size = Self.groupSize
        return (range.lowerBound / size...(range.upperBound - 1) / size).map {
            ($0 * size..<($0 + 1) * size).clamped(to: range)
        }
    }

    /// One of `count` nearly equal shares of the groups: every `count`-th, so that what an interrupted run has left
    /// undone is shared as evenly.
    public static func share(_ part: Int, of count: Int, _ groups: [Range<Int>]) -> [Range<Int>] {
        precondition(count > 0 && 0..<count ~= part, "share \(part) of \(count)")
        return stride(from: part, to: groups.count, by: count).map { groups[$0] }
    }
}
