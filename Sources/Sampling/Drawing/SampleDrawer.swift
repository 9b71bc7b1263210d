import Compute
import Model

/// Images that were drawn.
public struct DrawnImages: Sendable {
    /// [n]
    public let indices: [Int]
    public let channels: Int
    public let side: Int
    /// [n, channels, side, side]; pixels in [-1, 1], or latents.
    public let values: [Float]
    /// [n], or nil without class labels.
    public let classes: [Int32]?
    /// [n], fixed-point iterations of each, with guidance those of both halves; nil of a DiT.
    public let iterations: [Int32]?

    public init(
        indices: [Int], channels: Int, side: Int, values: [Float], classes: [Int32]?, iterations: [Int32]? = nil
    ) {
        precondition(values.count == indices.count * channels * side * side, "values of \(indices.count) images")
        (self.indices, self.channels, self.side, self.values) = (indices, channels, side, values)
        (self.classes, self.iterations) = (classes, iterations)
    }

    /// One of them, by its position.
    public subscript(position: Int) -> SampleImage {
        let count = channels * side * side
        return SampleImage(
            channels: channels, side: side, values: Array(values[position * count..<(position + 1) * count]))
    }
}

/// Draws the images of a plan, a few groups at a time.
public final class SampleDrawer {
    public let plan: SamplePlan
    /// Most groups at once.
    public let groupsAtOnce: Int
    private let images: ImageSampler
    private let arena: Arena
    private let x: FloatBuffer
    /// Whether a group passes through the network whole and alone: an image's bits may depend on its position in the
    /// batch, and on how many share it.
    private let isAlone: Bool

    /// - Parameter weights: a flat vector, which must stay where it is.
    public init(_ plan: SamplePlan, _ engine: Engine, weights: FloatBuffer) {
        self.plan = plan
        isAlone = !engine.backend.hasIndependentRows
        let size = SamplePlan.groupSize
        groupsAtOnce = isAlone ? 1 : max(1, min(plan.wantedBatch / size, plan.groups.count))
        let capacity = isAlone ? size : min(groupsAtOnce * size, plan.range.count)
        images = ImageSampler(
            plan.model, sampler: plan.sampler, options: plan.options, engine: engine, capacity: capacity)
        images.load(weights)
        (arena, x) = Arena.build("images") { $0.take(capacity * plan.model.imageValues) }
    }

    /// Draws groups.
    ///
    /// - Parameters:
    ///   - groups: of the plan, at most `groupsAtOnce`.
    ///   - onStep: called after each sampling step with the number of steps done.
    /// - Returns: the images of each group.
    public func draw(_ groups: [Range<Int>], onStep: (Int) -> Void = { _ in }) -> [DrawnImages] {
        precondition(1...groupsAtOnce ~= groups.count, "\(groups.count) groups at once, where \(groupsAtOnce) go")
        let size = SamplePlan.groupSize
        let drawn =
            isAlone
            ? groups.flatMap { group in
                let first = group.lowerBound / size * size
                return Array(first..<first + size)
            } : groups.flatMap { Array($0) }
        let own = plan.model.imageValues
        // A group's further images have labels and starts, too: those of a file end with the plan's.
        let wanted = Set(groups.flatMap { Array($0) })
        for (position, image) in drawn.enumerated() {
            let place = x.slice(position * own, own)
            if let starts = plan.starts {
                let first = (wanted.contains(image) ? image : groups[0].lowerBound) * own
                place.copy(from: Array(starts[first..<first + own]))
            } else {
                stream(.samplingStart, image).normals(into: place.base, count: own)
            }
        }
        let labels = plan.labels.network(
            drawn.map { wanted.contains($0) ? $0 : groups[0].lowerBound }, of: plan.model)
        let iterations = images.sample(x, count: drawn.count, labels: labels.own, unconditional: labels.unconditional) {
            index, position, output in
            stream(.samplingNoise, drawn[position], step: index).normals(into: output, count: own)
        } onStep: { place, _ in
            onStep(place + 1)
        }
        let positions = Dictionary(uniqueKeysWithValues: drawn.enumerated().map { ($1, $0) })
        return groups.map { group in
            let chosen = group.compactMap { positions[$0] }
            let classes = group.compactMap { plan.labels.classNumber(of: $0).map { Int32($0) } }
            return DrawnImages(
                indices: Array(group), channels: plan.model.channels, side: plan.model.imageSize,
                values: chosen.flatMap { position in (0..<own).map { x[position * own + $0] } },
                classes: classes.isEmpty ? nil : classes,
                iterations: iterations.isEmpty ? nil : chosen.map { Int32(iterations[$0]) })
        }
    }

    private func stream(_ purpose: RandomPurpose, _ image: Int, step: Int = 0) -> RandomStream {
        RandomStream(seed: plan.seed, purpose: purpose.rawValue, step: step, sample: image)
    }
}
