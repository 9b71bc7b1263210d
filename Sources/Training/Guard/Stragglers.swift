/// Finds ranks that take much longer than the others for what they compute.
///
/// A rank's time is that of one virtual rank, so that ranks with more of them are not taken for slow. Each step compares
/// a rank with the median of the others; the middle of the last few steps decides, so that a hiccup counts for nothing.
struct Stragglers {
    /// A rank that is slow, and how many times as long as the others it takes.
    struct Finding: Equatable {
        let rank: Int
        let factor: Double
    }

    /// Steps that are looked back on.
    static let window = 10
    /// Times as long as the others.
    static let leastFactor = 1.5
    /// Seconds of a virtual rank by which it must be longer: less is the machine's noise.
    static let leastDelay = 0.005

    /// Virtual ranks of each rank.
    private let counts: [Int]
    /// Of the last steps, by rank: seconds of a virtual rank, and the median of the others'.
    private var recent: [[(own: Double, others: Double)]] = []
    private var told: Set<Int> = []

    init(virtualRanks counts: [Int]) { self.counts = counts }

    /// Takes in a step.
    ///
    /// - Parameter computeSeconds: by rank.
    /// - Returns: ranks that are now known to be slow, each once in a run.
    mutating func add(_ computeSeconds: [Double]) -> [Finding] {
        guard counts.count > 1 else { return [] }
        let times = zip(computeSeconds, counts).map { $0 / Double(max($1, 1)) }
        recent.append(
            times.indices.map { rank in
                (times[rank], Self.median(times.indices.filter { $0 != rank }.map { times[$0] }))
            })
        if recent.count > Self.window { recent.removeFirst() }
        guard recent.count == Self.window else { return [] }
        var found: [Finding] = []
        for rank in counts.indices where !told.contains(rank) {
            let factor = Self.median(recent.map { $0[rank].own / max($0[rank].others, 1e-9) })
            let delay = Self.median(recent.map { $0[rank].own - $0[rank].others })
            guard factor >= Self.leastFactor, delay >= Self.leastDelay else { continue }
            told.insert(rank)
            found.append(Finding(rank: rank, factor: factor))
        }
        return found
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
