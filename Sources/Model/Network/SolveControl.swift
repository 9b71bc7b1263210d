import Compute

/// How a solve goes on from z and f(z), in inference.
public enum SolveMethod: String, CaseIterable, Sendable {
    /// From f(z).
    case iteration
    /// From the combination of the latest f(z) that Anderson acceleration finds (`AndersonMixing`).
    case anderson

    /// States that acceleration may remember.
    public static let memoryLimit = 2...20
}

/// Steers fixed-point solves sample by sample, between iterations: a sample is at its end once ||f(z) - z|| / ||z||, the L2
/// norms over its [T, D], falls under a tolerance, or its iterations are used up.
///
/// What a sample becomes does not depend on others of its batch: the state that it ends with is kept, f(z), which has been
/// computed, or, where its iterations are used up, what acceleration makes of it. Where the matrix library gives rows that
/// do not depend on each other (`MatrixBackend.hasIndependentRows`), it leaves the batch, so that the others' iterations
/// cost less; elsewhere it is computed on, to no effect. For inference alone (`Network.forward(control:)`).
public final class SolveControl {
    /// What a person may ask for; 0 ends nothing.
    public static let toleranceLimit: PartialRangeFrom<Double> = 0...

    private let engine: Engine
    private let arena: Arena
    /// The newest state of each sample, [samples, T, D]: at last, those that they end with.
    private let states: FloatBuffer
    /// Nil for plain iterations.
    private let mixing: AndersonMixing?
    private let sampleValues: Int
    private var tolerance = 0.0
    private var most: [Int] = []
    private var iterations = 0
    /// The samples whose rows are in the batch, in their order, and whether each goes on.
    private var present: [Int] = []
    private var goesOn: [Bool] = []
    /// Iterations of each sample in the newest solve.
    public private(set) var used: [Int] = []
    /// Iterations that the newest solve computed, a sample each: the sum of `used`, and more where samples at their end cannot
    /// leave.
    public private(set) var computed = 0
    /// Of the newest solve, by iteration: ||f(z) - z|| / ||z|| of the z before it, of each sample that was in the batch.
    public private(set) var residuals: [[Double]] = []

    /// - Parameters:
    ///   - samples: of a pass at most.
    ///   - memory: states that Anderson acceleration remembers; nil for plain iterations.
    public init(_ model: ModelConfiguration, samples: Int, memory: Int? = nil, engine: Engine) {
        self.engine = engine
        let values = model.tokens * model.width
        sampleValues = values
        (arena, (states, mixing)) = Arena.build("states") { arena in
            (
                arena.take(samples * values),
                memory.map { AndersonMixing(arena, samples: samples, memory: $0, values: values) }
            )
        }
    }

    public var bytes: Int { arena.bytes }

    /// Says how the next solve is steered.
    ///
    /// - Parameters:
    ///   - tolerance: a solve ends once the relative residual is less.
    ///   - most: iterations of each sample, at least one.
    public func begin(tolerance: Double, most: [Int]) {
        precondition(most.count * sampleValues <= states.count && most.allSatisfy { $0 > 0 }, "iterations \(most)")
        self.tolerance = tolerance
        self.most = most
        present = Array(most.indices)
        goesOn = most.map { _ in true }
        used = most.map { _ in 0 }
        (iterations, computed, residuals) = (0, 0, [])
    }

    /// Takes over the states that the solve begins from.
    ///
    /// - Parameter z: [B, T, D]
    func start(_ z: FloatBuffer) {
        precondition(z.count == most.count * sampleValues, "a solve of other samples than were announced")
        states.copy(from: z)
    }

    /// Hears of the states after one more iteration.
    ///
    /// - Parameter z: [b, T, D], of the samples that are in the batch.
    /// - Returns: which of these b stay in it, in their order; none when the solve is over.
    func advance(_ z: FloatBuffer) -> [Int] {
        iterations += 1
        computed += present.count
        var found = [Double](repeating: 0, count: present.count)
        found.withUnsafeMutableBufferPointer { found in
            let found = UnsafeMutableBufferPointer(rebasing: found[...])
            engine.pool.parallelFor(present.count) { [self] place, _ in
                let sample = present[place]
                guard goesOn[sample] else { return }
                let (newest, before) = (z.slice(place * sampleValues, sampleValues), state(sample))
                found[place] = ResidualMeter.residual(before.base, newest.base, count: sampleValues)
                if let mixing, !(found[place] < tolerance) {
                    mixing.mix(sample, iterations: iterations, z: before, next: newest)
                }
                before.copy(from: newest)
            }
        }
        for (place, sample) in present.enumerated() where goesOn[sample] {
            used[sample] = iterations
            goesOn[sample] = !(found[place] < tolerance || iterations >= most[sample])
        }
        residuals.append(found)
        let staying = present.indices.filter { goesOn[present[$0]] }
        guard engine.backend.hasIndependentRows else { return staying.isEmpty ? [] : Array(present.indices) }
        present = staying.map { present[$0] }
        return staying
    }

    /// Puts back the states that all samples have ended with.
    ///
    /// - Parameter z: [B, T, D], is overwritten.
    func finish(_ z: FloatBuffer) { z.copy(from: states.slice(0, z.count)) }

    private func state(_ sample: Int) -> FloatBuffer { states.slice(sample * sampleValues, sampleValues) }
}
