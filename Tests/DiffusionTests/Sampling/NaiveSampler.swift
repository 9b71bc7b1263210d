import Diffusion
import Glibc

/// Reverse steps straight from the papers' equations, value by value in double, beside which `Sampler` is tested.
struct NaiveSampler {
    let target: DiffusionConfiguration.Target
    let kind: SamplerKind
    let learnSigma: Bool
    let eta: Double
    /// Whether predicted images are clipped to [-1, 1].
    let clip: Bool
    let schedule: NoiseSchedule

    init(
        _ configuration: DiffusionConfiguration, kind: SamplerKind, learnSigma: Bool, respacing: String, eta: Double,
        clip: Bool
    ) throws {
        target = configuration.target
        self.kind = kind
        self.learnSigma = learnSigma
        self.eta = eta
        self.clip = clip
        schedule = try NoiseSchedule(configuration, respacing: respacing)
    }

    func step(_ index: Int, x: [Double], output: [Double], noise: [Double]) -> [Double] {
        x.indices.map { i in
            value(index, x: x[i], output: output[i], v: learnSigma ? output[x.count + i] : 0, noise: noise[i])
        }
    }

    private func value(_ i: Int, x: Double, output: Double, v: Double, noise: Double) -> Double {
        switch kind {
        case .ddpm: ancestral(i, x: x, x0: image(i, x: x, output: output), v: v, noise: noise)
        case .ddim: implicit(i, x: x, x0: image(i, x: x, output: output), noise: noise)
        // Of heun what comes before its correction.
        case .flow, .heun: x + output / Double(schedule.count)
        }
    }

    private func image(_ i: Int, x: Double, output: Double) -> Double {
        let a = schedule.alphasCumprod[i]
        let x0: Double
        switch target {
        case .eps: x0 = (x - sqrt(1 - a) * output) / sqrt(a)
        case .v: x0 = sqrt(a) * x - sqrt(1 - a) * output
        case .x0: x0 = output
        case .flow: x0 = .nan
        }
        return clip ? min(max(x0, -1), 1) : x0
    }

    private func implicit(_ i: Int, x: Double, x0: Double, noise: Double) -> Double {
        let (a, previous) = levels(i)
        let eps = a == 0 ? x : (x - sqrt(a) * x0) / sqrt(1 - a)
        let sigma = eta * sqrt((1 - previous) / (1 - a)) * sqrt(1 - a / previous)
        return sqrt(previous) * x0 + sqrt(1 - previous - sigma * sigma) * eps + sigma * noise
    }

    private func ancestral(_ i: Int, x: Double, x0: Double, v: Double, noise: Double) -> Double {
        let (a, previous) = levels(i)
        let beta = 1 - a / previous
        let mean = (sqrt(previous) * beta * x0 + sqrt(1 - beta) * (1 - previous) * x) / (1 - a)
        guard i > 0 else { return mean }
        let posterior = beta * (1 - previous) / (1 - a)
        let variance = learnSigma ? pow(beta, (v + 1) / 2) * pow(posterior, (1 - v) / 2) : beta
        return mean + sqrt(variance) * noise
    }

    private func levels(_ i: Int) -> (a: Double, previous: Double) {
        (schedule.alphasCumprod[i], i > 0 ? schedule.alphasCumprod[i - 1] : 1)
    }
}

extension SamplerKind {
    /// The targets that a sampler can follow.
    var targets: [DiffusionConfiguration.Target] {
        switch self {
        case .ddpm, .ddim: [.eps, .v, .x0]
        case .flow, .heun: [.flow]
        }
    }

    /// Settings under which it has a table of its own: learned variances, and zero terminal SNR where the target
    /// allows it.
    var settings: [(configuration: DiffusionConfiguration, learnSigma: Bool)] {
        targets.flatMap { target in
            (target == .flow ? [false] : [false, true]).flatMap { learnSigma in
                (target == .v || target == .x0 ? [false, true] : [false]).map { zero in
                    (DiffusionConfiguration(target, zeroTerminalSNR: zero), learnSigma)
                }
            }
        }
    }
}

/// What a network that knows image and noise would return, without variances.
func perfectOutput(_ configuration: DiffusionConfiguration, x0: [Float], noise: [Float], t: Int) -> [Float] {
    guard configuration.target != .flow else { return zip(x0, noise).map { $0 - $1 } }
    // Schedules of the tests are valid.
    guard let schedule = try? NoiseSchedule(configuration) else { return [] }
    let signal = sqrt(schedule.alphasCumprod[t])
    let spread = sqrt(1 - schedule.alphasCumprod[t])
    switch configuration.target {
    case .eps: return noise
    case .x0, .flow: return x0
    case .v: return zip(x0, noise).map { Float(signal * Double($1) - spread * Double($0)) }
    }
}
