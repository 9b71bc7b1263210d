import Glibc

/// The terms of the variational bound (arXiv 2006.11239, eq. 5; arXiv 2102.09672, section 3.1), in bits a dimension:
/// KL(q(x_{t-1} | x_t, x0) || p(x_{t-1} | x_t)), and at t = 0 the likelihood of 8-bit pixel values (arXiv 2006.11239,
/// eq. 13). They train learned variances, and with the losses that are the bound itself the mean, too.
struct VariationalBound: Sendable {
    /// Log-variance of q(x_{t-1} | x_t, x0).
    private let truth: [Double]
    /// Log-variances of p between which the network interpolates (arXiv 2102.09672, eq. 15); where it learns none, the
    /// first is the variance itself, and there is no second.
    private let smallest: [Double]
    private let largest: [Double]?
    /// The error of x0 is so many times that of the target.
    private let errorOfX0: [Double]
    /// Weight of x0 in the posterior mean.
    private let posteriorX0: [Double]

    init(_ schedule: NoiseSchedule, _ configuration: DiffusionConfiguration, learnSigma: Bool) {
        truth = schedule.posteriorLogVariance
        smallest = learnSigma ? truth : schedule.fixedLogVariance(configuration.fixedVariance)
        largest = learnSigma ? schedule.logBetas : nil
        posteriorX0 = schedule.posteriorX0
        errorOfX0 = schedule.alphasCumprod.map { a in
            switch configuration.target {
            case .eps: ((1 - a) / a).squareRoot()
            case .v: (1 - a).squareRoot()
            case .x0, .flow: -1
            }
        }
    }

    /// Mean over one sample's `count` image values.
    ///
    /// - Parameters:
    ///   - weight: what the bound is multiplied by.
    ///   - trainsMean: whether the gradient goes to the image channels, which then are written, too.
    ///   - gradient: of the variance channels, where there are any; they follow the image's.
    func evaluate(
        output: UnsafePointer<Float>, x0: UnsafePointer<Float>, noise: UnsafePointer<Float>, t: Int, count: Int,
        targetX0: Double, targetNoise: Double, weight: Double, gradientScale: Double, trainsMean: Bool,
        gradient: UnsafeMutablePointer<Float>?
    ) -> Double {
        let variance = Variance(self, t)
        // true mean - predicted mean; x_t has the same weight in both.
        let errorOfMean = posteriorX0[t] * errorOfX0[t]
        let bits = weight / (Double(count) * Self.natsPerBit)
        let slope = gradientScale * bits * (variance.width ?? 0) / 2
        let slopeOfMean = gradientScale * bits * errorOfMean
        var sum = 0.0
        for i in 0..<count {
            let error = Double(output[i]) - (targetX0 * Double(x0[i]) + targetNoise * Double(noise[i]))
            let term = variance.term(
                pixel: x0[i], distance: errorOfMean * error, logVariance: variance.log(output, count + i))
            sum += term.value
            guard let gradient else { continue }
            if variance.width != nil { gradient[count + i] = Float(slope * term.slope) }
            if trainsMean { gradient[i] = Float(slopeOfMean * term.distanceSlope) }
        }
        return sum * bits
    }

    /// One sample's mean term, and the mean squared error of the predicted x0, both in double.
    ///
    /// - Parameter clip: whether the predicted x0 is clipped to [-1, 1] first, as a sampler may do it.
    func measure(
        output: UnsafePointer<Float>, x0: UnsafePointer<Float>, noise: UnsafePointer<Float>, t: Int, count: Int,
        targetX0: Double, targetNoise: Double, clip: Bool
    ) -> (bits: Double, squaredErrorOfX0: Double) {
        let variance = Variance(self, t)
        var (sum, squares) = (0.0, 0.0)
        for i in 0..<count {
            let pixel = Double(x0[i])
            let error = Double(output[i]) - (targetX0 * pixel + targetNoise * Double(noise[i]))
            // x0 - predicted x0.
            var difference = errorOfX0[t] * error
            if clip { difference = pixel - min(max(pixel - difference, -1), 1) }
            let term = variance.term(
                pixel: x0[i], distance: posteriorX0[t] * difference, logVariance: variance.log(output, count + i))
            sum += term.value
            squares += difference * difference
        }
        return (sum / (Double(count) * Self.natsPerBit), squares / Double(count))
    }

    /// log 2.
    static let natsPerBit = 0.6931471805599453

    /// What all values of a sample share in a step.
    private struct Variance {
        let isFirst: Bool
        let truth: Double
        let low: Double
        /// nil where the variance is fixed.
        let width: Double?
        let variance: Double

        init(_ bound: VariationalBound, _ t: Int) {
            isFirst = t == 0
            truth = bound.truth[t]
            let low = bound.smallest[t]
            self.low = low
            width = bound.largest.map { $0[t] - low }
            variance = exp(truth)
        }

        @inline(__always)
        func log(_ output: UnsafePointer<Float>, _ place: Int) -> Double {
            guard let width else { return low }
            return low + (Double(output[place]) + 1) / 2 * width
        }

        /// - Parameter distance: true mean - predicted mean.
        @inline(__always)
        func term(pixel: Float, distance: Double, logVariance: Double) -> Term {
            // The posterior mean at t = 0 is x0 itself: posteriorX0 is 1 and posteriorXt 0.
            if isFirst { return pixelLikelihood(pixel: pixel, distance: distance, logVariance: logVariance) }
            let precision = exp(-logVariance)
            let ratio = variance * precision
            let squared = distance * distance * precision
            return Term(
                value: 0.5 * (logVariance - truth - 1 + ratio + squared), slope: 0.5 * (1 - ratio - squared),
                distanceSlope: distance * precision)
        }
    }
}

/// A value's share of the bound, and its derivatives with respect to the log-variance and to the distance of the means.
private struct Term {
    var value: Double
    var slope: Double
    var distanceSlope: Double
}

/// Minus the log-probability that a normal variable, `distance` below the pixel, falls into the pixel's bin of
/// width 2/255; the outermost bins are open (arXiv 2006.11239, eq. 13).
private func pixelLikelihood(pixel: Float, distance: Double, logVariance: Double) -> Term {
    let precision = exp(-0.5 * logVariance)
    let upper = NormalCDF(precision * (distance + 1.0 / 255))
    let lower = NormalCDF(precision * (distance - 1.0 / 255))
    let probability: Double
    let slope: Double
    let density: Double
    if Double(pixel) < -0.999 {
        (probability, slope, density) = (upper.value, upper.logVarianceSlope, upper.density)
    } else if Double(pixel) > 0.999 {
        (probability, slope, density) = (1 - lower.value, -lower.logVarianceSlope, -lower.density)
    } else {
        (probability, slope) = (upper.value - lower.value, upper.logVarianceSlope - lower.logVarianceSlope)
        density = upper.density - lower.density
    }
    let floor = 1e-12
    return probability < floor
        ? Term(value: -log(floor), slope: 0, distanceSlope: 0)
        : Term(
            value: -log(probability), slope: -slope / probability, distanceSlope: -precision * density / probability)
}

/// The tanh approximation of the normal distribution function that the published losses use (that of GELU,
/// arXiv 1606.08415, section 2).
private struct NormalCDF {
    let value: Double
    /// Derivative with respect to z.
    let density: Double
    /// Derivative with respect to the log-variance, of which z is proportional to exp(-logVariance / 2).
    let logVarianceSlope: Double

    init(_ z: Double) {
        let root = 0.7978845608028654  // sqrt(2 / pi)
        let s = tanh(root * (z + 0.044715 * z * z * z))
        value = 0.5 * (1 + s)
        density = 0.5 * (1 - s * s) * root * (1 + 3 * 0.044715 * z * z)
        logVarianceSlope = density * (-0.5 * z)
    }
}
