import Compute
import Model
import Reporting

/// Turns the images of a plan into the noise that the plan's sampler draws them from, a batch at a time.
public final class ImageInverter {
    public let plan: SamplePlan
    private let images: ImageSampler
    private let arena: Arena
    private let x: FloatBuffer  // [batch, C, S, S]
    private let capacity: Int
    /// Whether images pass through the network in groups of one size: an image's bits may depend on its position in the
    /// batch, and on how many share it.
    private let isAlone: Bool

    /// - Parameter weights: a flat vector, which must stay where it is.
    /// - Throws: `Failure`, usage, where the sampler's steps cannot be taken back.
    public init(_ plan: SamplePlan, _ engine: Engine, weights: FloatBuffer) throws {
        self.plan = plan
        isAlone = !engine.backend.hasIndependentRows
        let capacity = isAlone ? SamplePlan.groupSize : min(plan.wantedBatch, plan.range.count)
        self.capacity = capacity
        images = ImageSampler(
            plan.model, sampler: plan.sampler, options: plan.options, engine: engine, capacity: capacity)
        if let problem = images.inversionProblem { throw Failure(.usage, problem) }
        images.load(weights)
        (arena, x) = Arena.build("images") { $0.take(capacity * plan.model.imageValues) }
    }

    /// Inverts all of them.
    ///
    /// - Parameters:
    ///   - values: [N, C, S, S], the plan's images in order, pixels in [-1, 1], or latents.
    ///   - rounds: evaluations of the network in each step.
    ///   - onStep: called after each step with the images that are done, those of this batch included, and its steps.
    /// - Returns: the noise, [N, C, S, S], and what the last round left open of each (`ImageSampler.invert`).
    public func invert(
        _ values: [Float], rounds: Int, onStep: (_ images: Int, _ steps: Int) -> Void = { _, _ in }
    ) -> (noise: [Float], open: [Double]) {
        let (own, count) = (plan.model.imageValues, plan.range.count)
        precondition(values.count == count * own, "values of \(count) images")
        var noise: [Float] = []
        var open: [Double] = []
        for start in stride(from: 0, to: count, by: capacity) {
            let end = min(start + capacity, count)
            // The last group is filled up with its first image.
            let group = (start..<(isAlone ? start + capacity : end)).map { $0 < end ? $0 : start }
            x.copy(from: group.flatMap { values[$0 * own..<($0 + 1) * own] })
            let labels = plan.labels.network(group.map { plan.range.lowerBound + $0 }, of: plan.model)
            open += images.invert(
                x, count: group.count, labels: labels.own, unconditional: labels.unconditional, rounds: rounds
            ) { onStep(end, $0) }.prefix(end - start)
            noise += x.slice(0, (end - start) * own).array
        }
        return (noise, open)
    }
}
