/// What training asks of the network: noised inputs, and the loss of its outputs. Always over all training steps.
///
/// One sample has channels x pixels values. The network returns outputChannels x pixels: as many, or twice as many where
/// variances are learned, which then are the second half. All functions are pure and allocate nothing, so that threads may
/// share an objective.
public struct Objective: Sendable {
    private let channels: Int
    private let pixels: Int
    /// Number of training steps.
    private let steps: Int
    /// What of the loss is the bound, and what its weight is; nil where nothing is.
    private let bound: (term: VariationalBound, weight: Double, trainsMean: Bool)?

    // The noised input is signal * x0 + noise * noise, the wanted output targetX0 * x0 + targetNoise * noise, and its
    // squared error counts `weight`, each by step.
    private let signal: [Double]
    private let noise: [Double]
    private let targetX0: [Double]
    private let targetNoise: [Double]
    private let weight: [Double]

    /// - Parameters:
    ///   - learnSigma: whether the network's second half of channels interpolates the log-variance.
    ///   - channels, pixels: of one (latent) image.
    /// - Throws: `DiffusionError` where the configuration contradicts itself.
    public init(_ configuration: DiffusionConfiguration, learnSigma: Bool, channels: Int, pixels: Int) throws {
        try configuration.requireComputable(learnSigma: learnSigma)
        precondition(channels > 0 && pixels > 0, "an image of \(channels) channels and \(pixels) pixels")
        self.channels = channels
        self.pixels = pixels
        steps = configuration.steps
        let ones = [Double](repeating: 1, count: steps)
        let zeros = [Double](repeating: 0, count: steps)
        guard configuration.target != .flow else {
            // Rectified flow (arXiv 2209.03003, eq. 1), its time running from the image to the noise.
            let time = (0..<configuration.steps).map { Double($0) / Double(configuration.steps) }
            signal = time.map { 1 - $0 }
            noise = time
            (targetX0, targetNoise, weight) = (ones, ones.map { -$0 }, ones)
            bound = nil
            return
        }
        let schedule = try NoiseSchedule(configuration)
        signal = schedule.alphasCumprod.map { $0.squareRoot() }
        noise = schedule.alphasCumprod.map { (1 - $0).squareRoot() }
        switch configuration.target {
        case .eps: (targetX0, targetNoise, weight) = (zeros, ones, ones)
        case .x0: (targetX0, targetNoise, weight) = (ones, zeros, ones)
        case .v, .flow:
            (targetX0, targetNoise) = (noise.map { -$0 }, signal)
            weight = schedule.alphasCumprod.map { configuration.weighting.ofVelocityError(alphasCumprod: $0) }
        }
        guard learnSigma || configuration.loss.isBound else {
            bound = nil
            return
        }
        let weight: Double =
            switch configuration.loss {
            case .mse, .kl: 1
            // Published so, for steps of 1,000: the bound is a sum over the steps, and one stands for all.
            case .rescaledMSE: Double(steps) / 1000
            case .rescaledKL: Double(steps)
            }
        bound = (
            VariationalBound(schedule, configuration, learnSigma: learnSigma), weight, configuration.loss.isBound
        )
    }

    /// The training step of a uniform draw in [0, 1): every step equally likely.
    public func timestep(uniform draw: Double) -> Int { TimestepSampler.uniform(draw, steps: steps) }

    /// Noises one sample: q(x_t | x0) (arXiv 2006.11239, eq. 4), or the point at t / steps of the straight path of a
    /// flow.
    ///
    /// - Parameters:
    ///   - x0, noise: the clean image and standard normal noise, each [channels, pixels].
    ///   - xt: [channels, pixels]; may be `x0` or `noise` itself.
    public func addNoise(
        x0: UnsafePointer<Float>, noise: UnsafePointer<Float>, t: Int, into xt: UnsafeMutablePointer<Float>
    ) {
        precondition(t >= 0 && t < steps, "step \(t) of \(steps)")
        let ofX0 = signal[t]
        let ofNoise = self.noise[t]
        for i in 0..<channels * pixels { xt[i] = Float(ofX0 * Double(x0[i]) + ofNoise * Double(noise[i])) }
    }

    /// Loss of one sample, and its gradient.
    public struct Loss: Equatable, Sendable {
        /// mse + vb: what is trained.
        public var loss: Double { mse + vb }
        /// Mean of the (weighted) squared error; 0 where the bound alone is trained.
        public var mse: Double
        /// Variational bound in bits a dimension, rescaled where the loss is; 0 without learned variance, unless it is
        /// what is trained.
        public var vb: Double

        public init(mse: Double = 0, vb: Double = 0) {
            self.mse = mse
            self.vb = vb
        }
    }

    /// The loss of the network's `output` for a sample noised by `addNoise`, and optionally its gradient.
    ///
    /// The squared error is that of the target (arXiv 2006.11239, eq. 14; arXiv 2202.00512, section 4), weighted for
    /// target v. With learned variance the variational bound is added; it trains the variances only, the mean being
    /// held fixed in it (arXiv 2102.09672, section 3.1). Losses `kl` and `rescaled_kl` are the bound alone, which then
    /// trains the mean, too.
    ///
    /// The noised image does not appear: it is a function of `x0` and `noise`, and errors of x0 follow from those of
    /// the target without the rounding of a float32 x_t.
    ///
    /// - Parameters:
    ///   - output: [outputChannels, pixels].
    ///   - x0, noise: what `addNoise` was given, each [channels, pixels].
    ///   - gradientScale: usually 1 / (samples in the batch).
    ///   - gradient: receives d(gradientScale * loss) / d(output), [outputChannels, pixels]; nil for the loss alone.
    public func loss(
        output: UnsafePointer<Float>, x0: UnsafePointer<Float>, noise: UnsafePointer<Float>, t: Int,
        gradientScale: Double = 1, gradient: UnsafeMutablePointer<Float>?
    ) -> Loss {
        precondition(t >= 0 && t < steps, "step \(t) of \(steps)")
        let values = channels * pixels
        let ofX0 = targetX0[t]
        let ofNoise = targetNoise[t]
        var result = Loss()
        if bound?.trainsMean != true {
            result.mse = squaredError(
                output: output, x0: x0, noise: noise, t: t, gradientScale: gradientScale, gradient: gradient)
        }
        if let bound {
            result.vb = bound.term.evaluate(
                output: output, x0: x0, noise: noise, t: t, count: values, targetX0: ofX0, targetNoise: ofNoise,
                weight: bound.weight, gradientScale: gradientScale, trainsMean: bound.trainsMean, gradient: gradient)
        }
        return result
    }

    /// The mean weighted squared error; its gradient goes to the image channels.
    private func squaredError(
        output: UnsafePointer<Float>, x0: UnsafePointer<Float>, noise: UnsafePointer<Float>, t: Int,
        gradientScale: Double, gradient: UnsafeMutablePointer<Float>?
    ) -> Double {
        let values = channels * pixels
        let mean = weight[t] / Double(values)
        let ofX0 = targetX0[t]
        let ofNoise = targetNoise[t]
        var sum = 0.0
        if let gradient {
            let slope = 2 * mean * gradientScale
            for i in 0..<values {
                let error = Double(output[i]) - (ofX0 * Double(x0[i]) + ofNoise * Double(noise[i]))
                sum += error * error
                gradient[i] = Float(slope * error)
            }
        } else {
            for i in 0..<values {
                let error = Double(output[i]) - (ofX0 * Double(x0[i]) + ofNoise * Double(noise[i]))
                sum += error * error
            }
        }
        return mean * sum
    }
}
