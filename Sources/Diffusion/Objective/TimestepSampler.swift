/// How training chooses the noise levels of its samples.
public enum TimestepSampling: String, CaseIterable, Sendable {
    /// All are equally likely.
    case uniform
    /// In proportion to the root of the mean square of each level's latest losses, and samples count the less the likelier
    /// theirs was: the loss has the same mean, and where it is large at few levels, as the bound is, less variance (Nichol &
    /// Dhariwal, arXiv 2102.09672, section 3.3).
    case secondMoment = "second_moment"
}

/// Chooses the training steps of samples, T of them, and says how much each sample counts.
///
/// A value: choices are pure functions of the losses that it has learned so far and of uniform draws, so that everybody who
/// has learned the same losses in the same order makes the same choices, to the bit.
public struct TimestepSampler: Equatable, Sendable {
    /// The latest losses of each step.
    public struct History: Equatable, Sendable {
        /// Losses of a step that are remembered, 10 as published; as soon as each step has as many, choices follow them.
        public static let length = 10

        /// [T], how many are there.
        public fileprivate(set) var counts: [Int32]
        /// [T, length], the oldest first; zeros where none is yet.
        public fileprivate(set) var losses: [Float]

        init(steps: Int) {
            counts = [Int32](repeating: 0, count: steps)
            losses = [Float](repeating: 0, count: steps * Self.length)
        }

        /// A recorded history.
        ///
        /// - Returns: nil where the values are none of so many steps.
        public init?(counts: [Int32], losses: [Float], steps: Int) {
            guard counts.count == steps, losses.count == steps * Self.length, losses.allSatisfy(\.isFinite),
                counts.allSatisfy({ 0...Int32(Self.length) ~= $0 })
            else { return nil }
            (self.counts, self.losses) = (counts, losses)
        }

        /// The root of the mean square of a step's losses.
        fileprivate func size(of step: Int) -> Double {
            var sum = 0.0
            for loss in losses[step * Self.length..<(step + 1) * Self.length] { sum += Double(loss) * Double(loss) }
            return (sum / Double(Self.length)).squareRoot()
        }

        fileprivate mutating func add(_ loss: Float, of step: Int) {
            let (first, count) = (step * Self.length, Int(counts[step]))
            guard count == Self.length else {
                losses[first + count] = loss
                counts[step] += 1
                return
            }
            for place in first..<first + count - 1 { losses[place] = losses[place + 1] }
            losses[first + count - 1] = loss
        }
    }

    /// A choice.
    public struct Choice: Equatable, Sendable {
        public let timestep: Int
        /// What its sample counts: 1 / (T p), where p is the likelihood of the step; its mean over choices is 1.
        public let weight: Double
    }

    /// The share of the likelihood that is spread evenly, so that no step is forgotten; 0.001 as published.
    private static let evenShare = 0.001

    private let steps: Int
    /// Nil where choices are uniform for good.
    public private(set) var history: History?
    /// Steps that have as many losses as are remembered.
    private var full = 0
    /// [T], the sum of the likelihoods up to and with each step; nil while all are equal.
    private var cumulative: [Double]?

    /// - Parameter steps: T, of the noise schedule.
    public init(_ kind: TimestepSampling, steps: Int) {
        self.steps = steps
        if kind == .secondMoment { history = History(steps: steps) }
    }

    /// Goes on from a recorded history of as many steps.
    ///
    /// - Precondition: choices follow losses.
    public mutating func restore(_ recorded: History) {
        precondition(history != nil && recorded.counts.count == steps, "a history of other steps")
        history = recorded
        full = recorded.counts.count(where: { Int($0) == History.length })
        weigh()
    }

    /// Bytes of one, about: history and likelihoods.
    public static func bytes(_ kind: TimestepSampling, steps: Int) -> Int {
        kind == .uniform ? 0 : steps * (4 + 4 * History.length + 8)
    }

    /// Whether choices follow the losses by now.
    public var followsLosses: Bool { cumulative != nil }

    /// The step of a uniform draw in [0, 1) where all are equally likely.
    static func uniform(_ draw: Double, steps: Int) -> Int {
        precondition(draw >= 0 && draw < 1, "a draw of \(draw) is outside [0, 1)")
        return min(Int(draw * Double(steps)), steps - 1)
    }

    /// Chooses by a uniform draw in [0, 1).
    public func choose(_ draw: Double) -> Choice {
        guard let cumulative, let sum = cumulative.last else {
            return Choice(timestep: Self.uniform(draw, steps: steps), weight: 1)
        }
        precondition(draw >= 0 && draw < 1, "a draw of \(draw) is outside [0, 1)")
        // The first step whose sum is more than the draw's share of all.
        var (low, high) = (0, steps - 1)
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > draw * sum { high = middle } else { low = middle + 1 }
        }
        let likelihood = cumulative[low] - (low > 0 ? cumulative[low - 1] : 0)
        return Choice(timestep: low, weight: sum / (Double(steps) * likelihood))
    }

    /// Learns the losses of samples, as they were before they were weighted.
    ///
    /// - Parameter losses: finite, in an order that is the same for all who are to choose alike.
    public mutating func learn(_ losses: [(timestep: Int, loss: Double)]) {
        guard history != nil else { return }
        for (timestep, loss) in losses {
            let wasFull = history?.counts[timestep] == Int32(History.length)
            history?.add(Float(loss), of: timestep)
            if !wasFull, history?.counts[timestep] == Int32(History.length) { full += 1 }
        }
        weigh()
    }

    private mutating func weigh() {
        guard let history, full == steps else {
            cumulative = nil
            return
        }
        let sizes = (0..<steps).map(history.size)
        let sum = sizes.reduce(0, +)
        // Losses of nothing say nothing.
        guard sum > 0, sum.isFinite else {
            cumulative = nil
            return
        }
        var total = 0.0
        cumulative = sizes.map { size in
            total += (1 - Self.evenShare) * size / sum + Self.evenShare / Double(steps)
            return total
        }
    }
}
