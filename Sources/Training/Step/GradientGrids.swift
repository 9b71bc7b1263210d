import Compute

/// The grids of the order-free sums, one for each tensor: how fine its gradients are rounded before they are added.
///
/// A tensor's bound 2^b lies 8 binary orders above the largest |g| over every virtual rank's gradient of the step
/// before (never over sums, so that it is the same at any number of ranks). Its grid 2^e is as fine as that bound lets
/// the sum of V values fit the 53 bits of a double: e = b + max(2, ceil(log2 V)) - 53, but no finer than 2^-149, of
/// which every float32 is a multiple.
public struct GradientGrids: Equatable, Sendable {
    /// The finest grid there is any use for: the smallest float32.
    static let finest = -149
    /// How far the bound lies above the largest value of the step before.
    private static let headroom = 8
    /// A largest value this far below its bound would be rounded on too coarse a grid.
    private static let slack = 20

    /// b of each tensor's bound 2^b.
    public private(set) var bounds: [Int]
    /// max(2, ceil(log2 V)): the bits that a sum of V values may grow by.
    private let growth: Int

    /// Grids on which every float32 is exact, for a start from nothing known.
    public init(tensors: Int, virtualRanks: Int) {
        growth = Self.growth(virtualRanks)
        bounds = [Int](repeating: Self.finest + 53 - growth, count: tensors)
    }

    /// Recorded bounds, which may be those of another number of virtual ranks.
    public init(bounds: [Int], virtualRanks: Int) {
        growth = Self.growth(virtualRanks)
        let least = Self.finest + 53 - growth
        self.bounds = bounds.map { max($0, least) }
    }

    private static func growth(_ virtualRanks: Int) -> Int {
        precondition(1...4096 ~= virtualRanks, "\(virtualRanks) virtual ranks")
        return max(2, Int.bitWidth - (virtualRanks - 1).leadingZeroBitCount)
    }

    /// e of each tensor's grid 2^e.
    public var exponents: [Int] { bounds.map { max($0 + growth - 53, Self.finest) } }

    /// Whether sums on these grids are exact and fine enough for gradients with these largest magnitudes; if not, the
    /// step is to be done again on the grids that they give.
    public func suit(_ maxima: [Float]) -> Bool {
        zip(bounds, maxima).allSatisfy { bound, largest in
            guard largest > 0 else { return true }
            let order = Self.order(largest)
            return order <= bound && (order > bound - Self.slack || bound + growth - 53 <= Self.finest)
        }
    }

    /// Takes the bounds that follow from largest magnitudes, all finite; a tensor whose gradient is 0 keeps its bound.
    public mutating func follow(_ maxima: [Float]) {
        precondition(maxima.count == bounds.count, "one largest magnitude a tensor")
        for (index, largest) in maxima.enumerated() where largest > 0 {
            bounds[index] = max(Self.order(largest) + Self.headroom, Self.finest + 53 - growth)
        }
    }

    /// The least k for which a positive number is at most 2^k.
    private static func order(_ value: Float) -> Int { Int(value.exponent) + (value.significand == 1 ? 0 : 1) }
}
