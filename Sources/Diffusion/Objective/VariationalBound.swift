import Glibc

/// The term of the variational bound that trains learned variances (arXiv 2102.09672, section 3.1), in bits a
/// dimension: KL(q(x_{t-1} | x_t, x0) || p(x_{t-1} | x_t)), and at t = 0 the likelihood of 8-bit pixel values
/// (arXiv 2006.11239, eq. 13).
struct VariationalBound: Sendable {
    /// Log-variances between which the network interpolates (arXiv 2102.09672, eq. 15).
    private let smallest: [Double]
    private let largest: [Double]
    /// The error of x0 is so many times that of the target.
    private let errorOfX0: [Double]
    /// Weight of x0 in the posterior mean.
    private let posteriorX0: [Double]

    init(_ schedule: NoiseSchedule, target: DiffusionConfiguration.Target) {
        smallest = schedule.posteriorLogVariance
        largest = schedule.logBetas
        posteriorX0 = schedule.posteriorX0
        errorOfX0 = schedule.alphasCumprod.map { a in
            switch target {
            case .eps: ((1 - a) / a).squareRoot()
            case .v: (1 - a).squareRoot()
            case .x0, .flow: -1
            }
        }
    }

    /// Mean over one sample's `count` image values; the gradient goes to the variance channels, which follow them.
    func evaluate(
        output: UnsafePointer<Float>, x0: UnsafePointer<Float>, noise: UnsafePointer<Float>, t: Int, count: Int,
        targetX0: Double, targetNoise: Double, gradientScale: Double, gradient: UnsafeMutablePointer<Float>?
    ) -> Double {
        let low = smallest[t]
        let width = largest[t] - low
        let precisionBase = exp(low)
        // true mean - predicted mean; x_t has the same weight in both.
        let errorOfMean = posteriorX0[t] * errorOfX0[t]
        let bits = 1 / (Double(count) * 0.6931471805599453)
        let slope = gradientScale * bits * width / 2
        var sum = 0.0
        for i in 0..<count {
            let error = Double(output[i]) - (targetX0 * Double(x0[i]) + targetNoise * Double(noise[i]))
            let logVariance = low + (Double(output[count + i]) + 1) / 2 * width
            let term: Term
            if t == 0 {
                // The posterior mean at t = 0 is x0 itself: posteriorX0 is 1 and posteriorXt 0.
                term = pixelLikelihood(pixel: x0[i], distance: errorOfMean * error, logVariance: logVariance)
            } else {
                let precision = exp(-logVariance)
                let ratio = precisionBase * precision
                let squared = errorOfMean * error * (errorOfMean * error) * precision
                term = Term(
                    value: 0.5 * (logVariance - low - 1 + ratio + squared), slope: 0.5 * (1 - ratio - squared))
            }
            sum += term.value
            gradient?[count + i] = Float(slope * term.slope)
        }
        return sum * bits
    }
}

/// A pixel's share of the bound, and its derivative with respect to the log-variance.
private struct Term {
    var value: Double
    var slope: Double
}

/// Minus the log-probability that a normal variable, `distance` below the pixel, falls into the pixel's bin of
/// width 2/255; the outermost bins are open (arXiv 2006.11239, eq. 13).
private func pixelLikelihood(pixel: Float, distance: Double, logVariance: Double) -> Term {
    let precision = exp(-0.5 * logVariance)
    let upper = NormalCDF(precision * (distance + 1.0 / 255))
    let lower = NormalCDF(precision * (distance - 1.0 / 255))
    let probability: Double
    let slope: Double
    if Double(pixel) < -0.999 {
        (probability, slope) = (upper.value, upper.logVarianceSlope)
    } else if Double(pixel) > 0.999 {
        (probability, slope) = (1 - lower.value, -lower.logVarianceSlope)
    } else {
        (probability, slope) = (upper.value - lower.value, upper.logVarianceSlope - lower.logVarianceSlope)
    }
    let floor = 1e-12
    return probability < floor
        ? Term(value: -log(floor), slope: 0) : Term(value: -log(probability), slope: -slope / probability)
}

/// The tanh approximation of the normal distribution function that the published losses use (that of GELU,
/// arXiv 1606.08415, section 2).
private struct NormalCDF {
    let value: Double
    /// Derivative with respect to the log-variance, of which z is proportional to exp(-logVariance / 2).
    let logVarianceSlope: Double

    init(_ z: Double) {
        let root = 0.7978845608028654  // sqrt(2 / pi)
        let s = tanh(root * (z + 0.044715 * z * z * z))
        value = 0.5 * (1 + s)
        let density = 0.5 * (1 - s * s) * root * (1 + 3 * 0.044715 * z * z)
        logVarianceSlope = density * (-0.5 * z)
    }
}
