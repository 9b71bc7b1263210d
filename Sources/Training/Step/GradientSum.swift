import Compute
import Model

/// The sum of a rank's virtual ranks' gradients, exact in any order (`OrderFreeSum`).
public final class GradientSum {
    /// [flat], where the next virtual rank's gradient is added up; zero at first.
    public let gradient: FloatBuffer
    /// [flat], sums on the grids; empty for a single virtual rank, whose rounded gradient fits float32.
    let sums: DoubleBuffer
    /// The largest |g| of each tensor over the virtual ranks added so far; infinite where one is not finite.
    public private(set) var maxima: [Float]

    private let engine: Engine
    private let arena: Arena
    private let stretches: [OrderFreeSum.Stretch]
    private var tensors: [OrderFreeSum.Tensor]
    private var stretchMaxima: [Float]
    private var added = 0
    /// Where `gradient` may hold the last sum.
    private var roundedPart = 0..<0

    public init(_ engine: Engine, _ table: ParameterTable, virtualRanks: Int) {
        self.engine = engine
        let ranges = table.parameters.map(\.range)
        tensors = ranges.map { OrderFreeSum.Tensor(range: $0, exponent: GradientGrids.finest) }
        stretches = OrderFreeSum.stretches(of: ranges)
        stretchMaxima = [Float](repeating: 0, count: stretches.count)
        maxima = [Float](repeating: 0, count: ranges.count)
        (arena, (gradient, sums)) = Arena.build("gradients") { Self.take($0, table, virtualRanks) }
    }

    private static func take(
        _ arena: Arena, _ table: ParameterTable, _ virtualRanks: Int
    ) -> (FloatBuffer, DoubleBuffer) {
        (arena.take(table.flatCount), arena.takeDoubles(virtualRanks > 1 ? table.flatCount : 0))
    }

    public var bytes: Int { arena.bytes }

    /// Bytes of a sum, without taking them.
    static func bytes(_ table: ParameterTable, virtualRanks: Int) -> Int {
        Arena.measure("gradients") { take($0, table, virtualRanks) } * MemoryLayout<Float>.stride
    }

    /// Begins a sum on these grids. The last one is gone.
    public func begin(_ grids: GradientGrids) {
        for (index, exponent) in grids.exponents.enumerated() {
            tensors[index].exponent = exponent
            maxima[index] = 0
        }
        added = 0
        // Where there are sums, adding has left zeros but in the part that was rounded last.
        Elementwise.zero(engine, sums.count > 0 ? gradient[roundedPart] : gradient)
        roundedPart = 0..<0
    }

    /// Leaves the sum out where a virtual rank's gradient was not finished: the next one begins from zeros again.
    public func drop() { Elementwise.zero(engine, gradient) }

    /// Takes the gradient that was written to `gradient` into the sum.
    ///
    /// - Returns: whether all its values are finite.
    public func add() -> Bool {
        stretchMaxima.withUnsafeMutableBufferPointer { maxima in
            if sums.count > 0 {
                OrderFreeSum.add(
                    engine, gradient, to: sums, isFirst: added == 0, tensors: tensors, stretches: stretches,
                    maxima: maxima)
            } else {
                precondition(added == 0, "a second gradient for a sum of one")
                OrderFreeSum.round(engine, gradient, tensors: tensors, stretches: stretches, maxima: maxima)
            }
        }
        added += 1
        var isFinite = true
        for (stretch, largest) in zip(stretches, stretchMaxima) {
            maxima[stretch.tensor] = max(maxima[stretch.tensor], largest)
            isFinite = isFinite && largest.isFinite
        }
        return isFinite
    }

    /// The sum's values in a part of the flat vector, rounded to float32 once.
    ///
    /// - Returns: in `gradient`; valid until the next sum begins.
    public func rounded(_ part: Range<Int>) -> FloatBuffer {
        let result = gradient[part]
        roundedPart =
            roundedPart.isEmpty
            ? part : min(part.lowerBound, roundedPart.lowerBound)..<max(part.upperBound, roundedPart.upperBound)
        // A single virtual rank's gradient is the sum already.
        if sums.count > 0 { OrderFreeSum.convert(engine, sums.slice(part.lowerBound, part.count), to: result) }
        return result
    }
}
