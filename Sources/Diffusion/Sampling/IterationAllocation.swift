/// How a sampler divides its fixed-point iterations among its steps (arXiv 2401.08741, section 3.3).
///
/// Steps count in sampling order, most noise first: `increasing` spends more near the end.
public enum IterationAllocation: String, CaseIterable, Sendable {
    case constant
    case increasing
    case decreasing

    /// Fixed-point iterations of a sampling step, on average over the steps.
    public static let iterationsLimit = 1...10_000

    /// Iterations of each step in sampling order: one each, and the rest shared out in shares that grow or fall
    /// linearly from half to one and a half times the mean (or back). Sums to at most `total`.
    ///
    /// Shares are rounded up in the first steps and down in the later ones, with as many rounded up (at most half) as
    /// the total allows. The arithmetic is the reference's to the last bit, on which whole shares depend.
    ///
    /// - Parameters:
    ///   - total: a mean within `iterationsLimit`, times `steps`.
    ///   - steps: of the sampler, which has at most as many as there are noise levels.
    /// - Throws: `DiffusionError` where `total` or `steps` is outside its limits.
    public static func budget(total: Int, steps: Int, kind: IterationAllocation) throws -> [Int] {
        let mostSteps = DiffusionConfiguration.stepsLimit.upperBound
        guard 1...mostSteps ~= steps else {
            throw DiffusionError("\(steps) steps to give iterations to; sample with 1 to \(mostSteps)")
        }
        let least = steps * iterationsLimit.lowerBound
        let most = steps * iterationsLimit.upperBound
        guard total >= least else {
            throw DiffusionError(
                "\(total) iterations cannot give each of \(steps) steps one; allow at least \(least), or sample "
                    + "with fewer steps")
        }
        guard total <= most else {
            throw DiffusionError(
                "\(total) iterations are more than \(iterationsLimit.upperBound) for each of \(steps) steps; "
                    + "allow at most \(most)")
        }
        let ratios: [Double]
        switch kind {
        case .constant: ratios = ReferenceRounding.evenlySpaced(from: 1, through: 1, count: steps)
        case .increasing: ratios = ReferenceRounding.evenlySpaced(from: 0.5, through: 1.5, count: steps)
        case .decreasing: ratios = ReferenceRounding.evenlySpaced(from: 1.5, through: 0.5, count: steps)
        }
        let sum = ReferenceRounding.sum(ratios)
        let shares = ratios.map { 1 + Double(total - steps) * $0 / sum }
        for roundedUp in stride(from: steps / 2, through: 0, by: -1) {
            let budget = shares.enumerated().map { i, share in
                Int(share.rounded(i < roundedUp ? .up : .down))
            }
            if budget.reduce(0, +) <= total { return budget }
        }
        throw DiffusionError("\(total) iterations are too few for \(steps) steps; allow more")
    }
}
