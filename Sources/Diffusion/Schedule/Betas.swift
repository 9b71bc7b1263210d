import Glibc

/// The variances of the forward process, beta_t of arXiv 2006.11239, before any respacing.
enum Betas {
    /// Each in (0, 1), or 1 where nothing of the signal is to be left.
    ///
    /// - Throws: `DiffusionError` for a number of noise levels that the schedule cannot have.
    static func make(_ configuration: DiffusionConfiguration) throws -> [Double] {
        try configuration.requireSchedule()
        let betas: [Double]
        switch configuration.schedule {
        case .linear: betas = linear(configuration.steps)
        case .cosine: betas = cosine(configuration.steps)
        }
        return configuration.zeroTerminalSNR ? zeroTerminalSNR(betas) : betas
    }

    /// Ho et al. (arXiv 2006.11239, section 4), stretched so that other step counts cover the same noise.
    static func linear(_ steps: Int) -> [Double] {
        let scale = 1000 / Double(steps)
        return ReferenceRounding.evenlySpaced(from: scale * 1e-4, through: scale * 0.02, count: steps)
    }

    /// Nichol & Dhariwal (arXiv 2102.09672, eq. 17), clipped at 0.999.
    static func cosine(_ steps: Int) -> [Double] {
        func level(_ u: Double) -> Double {
            let c = cos((u + 0.008) / 1.008 * Double.pi / 2)
            return c * c
        }
        return (0..<steps).map { i in
            min(1 - level(Double(i + 1) / Double(steps)) / level(Double(i) / Double(steps)), 0.999)
        }
    }

    /// Lin et al. (arXiv 2305.08891, algorithm 1): shift and stretch sqrt(alphasCumprod) until it ends in 0.
    static func zeroTerminalSNR(_ betas: [Double]) -> [Double] {
        let signal = cumulativeProduct(betas.map { 1 - $0 }).map { $0.squareRoot() }
        let first = signal[0]
        let last = signal[signal.count - 1]
        let levels = signal.map { s in
            let rescaled = (s - last) * first / (first - last)
            return rescaled * rescaled
        }
        return levels.indices.map { i in i == 0 ? 1 - levels[0] : 1 - levels[i] / levels[i - 1] }
    }

    static func cumulativeProduct(_ factors: [Double]) -> [Double] {
        var product = 1.0
        return factors.map { factor in
            product *= factor
            return product
        }
    }
}
