import Compute
import Training

extension [Double] {
    /// The middle value, or the mean of the two in the middle.
    var median: Double {
        precondition(!isEmpty, "a median of nothing")
        let sorted = sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}

extension TrainingState {
    /// Starts anew with weights that all matter: what the published initialisation sets to 0 is small noise, because a
    /// network that is told 0 by its gates is no test of anything.
    func startForBench() {
        let seed = 1
        start(TrainingRandom(seed: seed))
        for (index, parameter) in table.parameters.enumerated() where parameter.initialization == .zeros {
            let values = weights[parameter.range]
            RandomStream(seed: UInt64(seed), purpose: RandomPurpose.initialization.rawValue, step: 1, sample: index)
                .normals(into: values.base, count: values.count)
            for i in 0..<values.count { values[i] *= 0.02 }
        }
        ema.copy(from: weights[slice])
    }
}
