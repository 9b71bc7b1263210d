import Distributed
import Reporting

/// What ranks must agree on in a step, in one reduction at each end of it.
///
/// Each reduction is a maximum over doubles: a value that one rank owns is minus infinity on all others, so that every
/// rank ends with all values, to the bit, whoever owned them.
public final class StepVote {
    /// What a rank brings to the end of a step.
    public struct Ballot {
        /// Of the positions that this rank computed: (mse, vb) each.
        public var losses: [(position: Int, mse: Double, vb: Double)] = []
        /// Virtual ranks of this rank whose gradient is not finite.
        public var nonFiniteVirtualRanks: [Int] = []
        /// Largest |g| of each tensor over this rank's virtual ranks.
        public var maxima: [Float] = []
        /// Sums of squares of the blocks of this rank's slice of the gradient, and the first one's number.
        public var squares: [Double] = []
        public var firstBlock = 0
        /// Seconds that this rank computed.
        public var computeSeconds = 0.0

        public init() {}
    }

    /// What all ranks brought, the same on every rank.
    public struct Outcome {
        /// [B] by position in the global batch; infinite where not finite.
        public let mse, vb: [Double]
        /// Virtual ranks whose gradient is not finite, rising.
        public let nonFiniteVirtualRanks: [Int]
        /// Largest |g| of each tensor over all virtual ranks.
        public let maxima: [Float]
        /// L2 norm of the whole gradient, summed in double in the order of blocks.
        public let gradientNorm: Double
        /// By rank.
        public let computeSeconds: [Double]
        /// Whether any rank wishes to stop after this step.
        public let stops: Bool

        /// Whether losses and every virtual rank's gradient are finite: the same at any number of ranks, also where the
        /// grids do not suit.
        public var valuesAreFinite: Bool {
            nonFiniteVirtualRanks.isEmpty && maxima.allSatisfy(\.isFinite) && nonFinitePositions.isEmpty
        }

        /// Whether the sum of the gradients is finite, too.
        public var isFinite: Bool { valuesAreFinite && gradientNorm.isFinite }

        /// Positions whose loss is not finite.
        public var nonFinitePositions: [Int] { mse.indices.filter { !(mse[$0] + vb[$0]).isFinite } }
    }

    /// Set on any one rank, it stops all after the present step.
    public var wishesToStop = false

    private let communicator: Communicator
    private let positions, virtualRanks, tensors, blocks: Int
    private var values: [Double]
    private let clock = ContinuousClock()

    /// - Parameters:
    ///   - positions: B, samples of the global batch.
    ///   - tensors: of the network.
    ///   - blocks: of the flat vector (`Reductions.blocks`).
    public init(_ communicator: Communicator, positions: Int, virtualRanks: Int, tensors: Int, blocks: Int) {
        self.communicator = communicator
        (self.positions, self.virtualRanks, self.tensors, self.blocks) = (positions, virtualRanks, tensors, blocks)
        values = [Double](
            repeating: 0, count: 1 + 2 * positions + virtualRanks + communicator.size + tensors + blocks)
    }

    /// Bytes of the votes' vector.
    static func bytes(positions: Int, virtualRanks: Int, ranks: Int, tensors: Int, blocks: Int) -> Int {
        (1 + 2 * positions + virtualRanks + ranks + tensors + blocks) * MemoryLayout<Double>.stride
    }

    /// Begins a step: local work that may fail. Collective.
    ///
    /// - Returns: what `body` returned, if it succeeded on all ranks, and the seconds that the slowest of them took.
    /// - Throws: the lowest failing rank's `RankFailure`, on all ranks alike.
    public func open<Value>(_ body: () throws -> Value) throws -> (Value, seconds: Double) {
        let begin = clock.now
        let outcome = Result { try body() }
        let seconds = (clock.now - begin).seconds
        var failure: RankFailure?
        if case .failure(let error) = outcome {
            let (code, message) = Failure.describe(error)
            failure = error as? RankFailure ?? communicator.failure(code: code, message: message)
        }
        // The lowest failing rank has the greatest number.
        let own = failure == nil ? -Double.infinity : Double(communicator.size - communicator.rank)
        var greatest = [own, seconds]
        try greatest.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .max) }
        guard greatest[0].isFinite else { return (try outcome.get(), greatest[1]) }
        throw try communicator.shared(failure, of: communicator.size - Int(greatest[0]))
    }

    /// Ends a step. Collective. Does not throw: see `GradientExchange`.
    public func close(_ ballot: Ballot) -> Outcome {
        for i in values.indices { values[i] = -.infinity }
        let mse = 1
        let flags = mse + 2 * positions
        let seconds = flags + virtualRanks
        let maxima = seconds + communicator.size
        let squares = maxima + tensors
        values[0] = wishesToStop ? 1 : 0
        for loss in ballot.losses {
            values[mse + 2 * loss.position] = Self.ordered(loss.mse)
            values[mse + 2 * loss.position + 1] = Self.ordered(loss.vb)
        }
        for virtualRank in ballot.nonFiniteVirtualRanks { values[flags + virtualRank] = 1 }
        values[seconds + communicator.rank] = ballot.computeSeconds
        for (index, largest) in ballot.maxima.enumerated() { values[maxima + index] = Self.ordered(Double(largest)) }
        for (index, square) in ballot.squares.enumerated() {
            values[squares + ballot.firstBlock + index] = Self.ordered(square)
        }
        communicator.orAbort { try values.withUnsafeMutableBufferPointer { try communicator.allReduce($0, .max) } }
        return Outcome(
            mse: (0..<positions).map { values[mse + 2 * $0] }, vb: (0..<positions).map { values[mse + 2 * $0 + 1] },
            nonFiniteVirtualRanks: (0..<virtualRanks).filter { values[flags + $0] > 0 },
            maxima: values[maxima..<squares].map { Float($0) },
            gradientNorm: values[squares...].reduce(0, +).squareRoot(),
            computeSeconds: Array(values[seconds..<maxima]), stops: values[0] > 0)
    }

    /// A maximum over NaN is anything; what is not finite becomes the greatest value.
    private static func ordered(_ value: Double) -> Double { value.isFinite ? value : .infinity }
}
