/// How a sampler divides its fixed-point iterations among its steps (arXiv 2401.08741, section 3.3).
///
/// Steps count in sampling order, most noise first: `increasing` spends more near the end.
public enum IterationAllocation: String, CaseIterable, Sendable {
    case constant
    case increasing
    case decreasing

    /// Iterations of each step in sampling order: one each, and the rest shared out in shares that grow or fall
    /// linearly from `low` to `high` (or back) times the mean. Sums to at most `total`.
    ///
    /// Shares are rounded up in the first steps and down in the later ones, with as many rounded up (at most half) as
    /// the total allows. The arithmetic is the reference's to the last bit, on which whole shares depend.
    ///
    /// - Throws: `DiffusionError` where `total` does not give every step an iteration, or for bad shares.
    public static func budget(
        total: Int, steps: Int, kind: IterationAllocation, low: Double = 0.5, high: Double = 1.5
    ) throws -> [Int] {
        guard steps > 0 else { throw DiffusionError("no steps to give iterations to; sample with 1 or more") }
        guard total >= steps else {
            throw DiffusionError(
                "\(total) iterations cannot give each of \(steps) steps one; allow at least \(steps), or sample "
                    + "with fewer steps")
        }
        guard low >= 0 && high >= 0 && low + high > 0 && low.isFinite && high.isFinite else {
            throw DiffusionError("iteration shares \(low) and \(high) must not be negative, nor both 0")
        }
        let ratios: [Double]
        switch kind {
        case .constant: ratios = ReferenceRounding.evenlySpaced(from: 1, through: 1, count: steps)
        case .increasing: ratios = ReferenceRounding.evenlySpaced(from: low, through: high, count: steps)
        case .decreasing: ratios = ReferenceRounding.evenlySpaced(from: high, through: low, count: steps)
        }
        let sum = ReferenceRounding.sum(ratios)
        guard sum > 0 else { throw DiffusionError("iteration shares leave a single step nothing; raise the first") }
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
