import Compute
import Distributed
import Training

/// How long ranks take to exchange gradients and weights, beside the bare collectives of MPI that move the same bytes.
public struct ExchangeBench {
    /// Seconds of one size, medians over the rounds; the same on every rank.
    public struct Line: Codable, Equatable, Sendable {
        public let parameters: Int
        /// Reduce-scatter of doubles by pairs, conversion to float32, all-gather of floats.
        public let seconds: Double
        /// `MPI_Reduce_scatter` of doubles and `MPI_Allgather` of floats.
        public let bareSeconds: Double
    }

    private let communicator: Communicator
    private let engine: Engine
    private let rounds: Int

    public init(_ communicator: Communicator, _ engine: Engine, rounds: Int) {
        self.communicator = communicator
        self.engine = engine
        self.rounds = rounds
    }

    /// Measures one size: both ways in turn, so that what else the machine does meets both. Collective.
    ///
    /// - Throws: `MPIError`
    public func run(parameters: Int) throws -> Line {
        let slices = FlatSlices(count: parameters, ranks: communicator.size)
        let exchange = GradientExchange(communicator, engine, slices)
        let (arena, (sums, weights)) = Arena.build("bench") { arena in
            (arena.takeDoubles(parameters), arena.take(parameters))
        }
        defer { withExtendedLifetime(arena) {} }
        let own = slices[communicator.rank]
        let counts = slices.counts
        var (ours, bare): ([Double], [Double]) = ([], [])
        // The first round of each warms up: MPI makes its connections then.
        for round in 0...rounds {
            let seconds = try time {
                exchange.reduceScatter(sums)
                OrderFreeSum.convert(engine, sums.slice(own.lowerBound, own.count), to: weights[own])
                exchange.share(weights)
            }
            let bareSeconds = try time {
                try communicator.reduceScatter(sums.writable, counts: counts, .sum)
                try communicator.allGather(weights.writable, counts: counts)
            }
            if round > 0 {
                ours.append(seconds)
                bare.append(bareSeconds)
            }
            // Sums of sums would grow beyond every bound.
            sums.fill(1)
        }
        return Line(parameters: parameters, seconds: ours.median, bareSeconds: bare.median)
    }

    /// Seconds until the slowest rank is done.
    private func time(_ body: () throws -> Void) throws -> Double {
        try communicator.barrier()
        let clock = ContinuousClock()
        let begin = clock.now
        try body()
        return try communicator.allReduce((clock.now - begin).seconds, .max)
    }
}
