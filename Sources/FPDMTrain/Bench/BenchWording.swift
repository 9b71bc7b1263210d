import Evaluation

/// Phases and their seconds.
func phaseWords(_ phases: [(name: String, seconds: Double)]) -> String {
    phases.map { "\($0) \(significant($1, 3)) s" }.joined(separator: ", ")
}

/// Shares of the threads' time in the phases with products, and the speed of a thread's products.
func kernelTable(_ kernels: [PhaseKernels]) -> String {
    let rows = kernels.map { k in
        func share(_ seconds: Double, _ flops: Double? = nil) -> String {
            let percent = "\(significant(100 * seconds / k.seconds, 3)) %"
            return flops.map { $0 > 0 ? "\(percent), \(significant($0 / 1e9, 3))" : "-" } ?? percent
        }
        return [
            k.phase, share(k.layers, k.layersFlops), share(k.weightGradients, k.weightGradientsFlops),
            share(k.attention, k.attentionFlops), share(k.elementwise), share(k.waiting),
        ]
    }
    let heads = ["time, GFLOP/s a thread", "layers", "weight gradients", "attention", "elementwise", "waiting"]
    return table([heads] + rows, texts: 1)
}
