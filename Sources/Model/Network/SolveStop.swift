import Compute

/// Ends fixed-point solves sample by sample: once ||f(z) - z|| / ||z||, the L2 norms over a sample's [T, D], falls under a
/// tolerance, or its iterations are used up.
///
/// A sample that is at its end keeps its state while others of its batch go on, so that what it becomes does not depend on
/// them. The state it keeps is f(z), which has been computed. For inference alone (`Network.forward(until:)`).
public final class SolveStop {
    /// What a person may ask for; 0 ends nothing.
    public static let toleranceLimit: PartialRangeFrom<Double> = 0...

    private let engine: Engine
    private let arena: Arena
    private let before: FloatBuffer  // [samples, T, D]
    private let sampleValues: Int
    private var tolerance = 0.0
    private var most: [Int] = []
    private var goesOn: [Bool] = []
    /// Iterations of each sample in the newest solve.
    public private(set) var used: [Int] = []

    /// - Parameter samples: of a pass at most.
    public init(_ model: ModelConfiguration, samples: Int, engine: Engine) {
        self.engine = engine
        sampleValues = model.tokens * model.width
        let values = samples * sampleValues
        (arena, before) = Arena.build("states") { $0.take(values) }
    }

    public var bytes: Int { arena.bytes }

    /// Begins a solve.
    ///
    /// - Parameters:
    ///   - tolerance: a solve ends once the relative residual is less.
    ///   - most: iterations of each sample, at least one.
    public func begin(tolerance: Double, most: [Int]) {
        precondition(most.count * sampleValues <= before.count && most.allSatisfy { $0 > 0 }, "iterations \(most)")
        self.tolerance = tolerance
        self.most = most
        goesOn = most.map { _ in true }
        used = most.map { _ in 0 }
    }

    /// Hears of the state after so many iterations, puts back that of samples which were at their end, and says whether
    /// all are.
    ///
    /// - Parameter z: [B, T, D]
    public func isOver(after iterations: Int, _ z: FloatBuffer) -> Bool {
        guard iterations > 0 else {
            before.slice(0, z.count).copy(from: z)
            return false
        }
        var ended = [Bool](repeating: false, count: most.count)
        ended.withUnsafeMutableBufferPointer { ended in
            let ended = UnsafeMutableBufferPointer(rebasing: ended[...])
            engine.pool.parallelFor(most.count) { [goesOn, most, tolerance, sampleValues, before] sample, _ in
                let own = z.slice(sample * sampleValues, sampleValues)
                let kept = before.slice(sample * sampleValues, sampleValues)
                guard goesOn[sample] else { return own.copy(from: kept) }
                let residual = ResidualMeter.residual(kept.base, own.base, count: sampleValues)
                ended[sample] = residual < tolerance || iterations >= most[sample]
                kept.copy(from: own)
            }
        }
        for sample in most.indices where goesOn[sample] {
            used[sample] = iterations
            goesOn[sample] = !ended[sample]
        }
        return !goesOn.contains(true)
    }
}
