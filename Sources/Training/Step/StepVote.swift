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
        /// Whether this rank's weights are not those that their owners shared.
        public var weightsDiffer = false
        /// This rank's wish to stop after the step.
        public var wish: StopWish?
        /// Whether this rank has sent its wish to the others (`StopChannel`).
        public var hasSentWish = false
        /// Whether this rank has left part of the step out, for a wish.
        public var isDropped = false
        /// How far this rank's part of a save is.
        public var saving = Saving.done

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
        /// Whether any rank's weights are not those that their owners shared.
        public var weightsDiffer = false
        /// The lowest rank's wish to stop after this step; nil if none has one.
        public var wish: StopWish?
        /// Ranks that have sent their wish to the others.
        public var senders: [Int] = []
        /// Whether any rank has left part of the step out: nothing of it counts.
        public var isDropped = false
        /// How far the ranks' parts of a save are, taken together.
        public var saving = Saving.done

        /// Whether losses and every virtual rank's gradient are finite: the same at any number of ranks, also where the
        /// grids do not suit.
        public var valuesAreFinite: Bool {
            nonFiniteVirtualRanks.isEmpty && maxima.allSatisfy(\.isFinite) && nonFinitePositions.isEmpty
        }

        /// Whether the sum of the gradients is finite, too.
        public var isFinite: Bool { valuesAreFinite && gradientNorm.isFinite }

        /// Positions whose loss is not finite as a float32: its gradient would be none, however it is computed.
        public var nonFinitePositions: [Int] { mse.indices.filter { !Float(mse[$0] + vb[$0]).isFinite } }
    }

    /// How far a rank is with what it writes in the background; of all ranks, how far the last is.
    public enum Saving: Equatable, Sendable {
        /// Nothing is being written.
        case done
        case busy
        /// Nothing is being written, and what was has failed on this rank; of several, on the lowest.
        case failed(rank: Int)

        /// Of all ranks together. Collective, for where no step follows.
        package func together(_ communicator: Communicator) throws -> Saving {
            let ranks = communicator.size
            return Saving(try communicator.allReduce(value(ranks: ranks), .max), ranks: ranks)
        }

        /// As a number: the greatest is that of all ranks.
        fileprivate func value(ranks: Int) -> Double {
            switch self {
            case .done: 0
            case .busy: .infinity
            case .failed(let rank): Double(ranks - rank)
            }
        }

        fileprivate init(_ value: Double, ranks: Int) {
            self = value == 0 ? .done : value.isFinite ? .failed(rank: ranks - Int(value)) : .busy
        }
    }

    /// A wish to stop, whether the step is dropped, weights that differ, and how far a save is.
    private static let flagCount = 4

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
            repeating: 0,
            count: Self.count(
                positions: positions, virtualRanks: virtualRanks, ranks: communicator.size, tensors: tensors,
                blocks: blocks))
    }

    /// Bytes of the votes' vector.
    static func bytes(positions: Int, virtualRanks: Int, ranks: Int, tensors: Int, blocks: Int) -> Int {
        count(positions: positions, virtualRanks: virtualRanks, ranks: ranks, tensors: tensors, blocks: blocks)
            * MemoryLayout<Double>.stride
    }

    private static func count(positions: Int, virtualRanks: Int, ranks: Int, tensors: Int, blocks: Int) -> Int {
        flagCount + 2 * positions + virtualRanks + 2 * ranks + tensors + blocks
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
        let mse = Self.flagCount
        let flags = mse + 2 * positions
        let seconds = flags + virtualRanks
        let sent = seconds + communicator.size
        let maxima = sent + communicator.size
        let squares = maxima + tensors
        if let wish = ballot.wish { values[0] = wish.number(ranks: communicator.size) }
        values[1] = ballot.isDropped ? 1 : 0
        values[2] = ballot.weightsDiffer ? 1 : 0
        values[3] = ballot.saving.value(ranks: communicator.size)
        values[sent + communicator.rank] = ballot.hasSentWish ? 1 : 0
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
            computeSeconds: Array(values[seconds..<sent]), weightsDiffer: values[2] > 0,
            wish: StopWish(number: values[0], ranks: communicator.size),
            senders: (0..<communicator.size).filter { values[sent + $0] > 0 }, isDropped: values[1] > 0,
            saving: Saving(values[3], ranks: communicator.size))
    }

    /// A maximum over NaN is anything; what is not finite becomes the greatest value.
    private static func ordered(_ value: Double) -> Double { value.isFinite ? value : .infinity }
}
