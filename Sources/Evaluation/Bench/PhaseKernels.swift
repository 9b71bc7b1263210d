import Compute

/// What the threads did in one phase of what was measured, on average over its runs: seconds summed over them.
public struct PhaseKernels: Codable, Equatable, Sendable {
    public let phase: String
    /// Of the phase, times the number of threads.
    public let seconds: Double
    /// Products of layers, forward and back, and how fast they were, a thread.
    public let layers, layersFlops: Double
    public let weightGradients, weightGradientsFlops: Double
    /// Attention's products.
    public let attention, attentionFlops: Double
    /// All else that tasks do: norms, GELU, softmax, gates, copies, layers with a row for each sample.
    public let elementwise: Double
    /// Threads that wait for others, or have no part in what one does.
    public let waiting: Double

    /// - Parameters:
    ///   - seconds: that the phase took in each run.
    ///   - readings: of the pool's clock, over the same; a run may have several.
    init(_ phase: String, seconds: [Double], readings: [KernelClock.Reading], threads: Int) {
        let count = Double(seconds.count)
        func mean(_ value: (KernelClock.Reading) -> Double?) -> Double {
            readings.reduce(0) { $0 + (value($1) ?? 0) } / count
        }
        func speed(_ kind: ProductKind) -> Double {
            let time = mean { $0.seconds[kind] }
            return time > 0 ? mean { $0.operations[kind] } / time : 0
        }
        self.phase = phase
        self.seconds = seconds.reduce(0, +) / count * Double(threads)
        layers = mean { $0.seconds[.layer] }
        weightGradients = mean { $0.seconds[.weightGradient] }
        attention = mean { $0.seconds[.attention] }
        (layersFlops, weightGradientsFlops) = (speed(.layer), speed(.weightGradient))
        attentionFlops = speed(.attention)
        let tasks = mean { $0.taskSeconds }
        elementwise = tasks - layers - weightGradients - attention
        waiting = self.seconds - tasks
    }
}
