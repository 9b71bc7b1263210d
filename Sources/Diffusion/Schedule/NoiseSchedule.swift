import Glibc

/// The noise levels of a diffusion process, possibly respaced, and what follows from them alone.
///
/// Names as in Ho et al. (arXiv 2006.11239): alphasCumprod is the product of all 1 - beta up to a step, its share
/// of signal variance. Every table has `count` entries; entry 0 has the least noise.
public struct NoiseSchedule: Sendable {
    /// The training step behind each index, which is what the network sees.
    public let timesteps: [Int]
    /// Variance added from one visited step to the next.
    public let betas: [Double]
    public let alphasCumprod: [Double]
    /// alphasCumprod of the index before; 1 before the first.
    public let alphasCumprodPrevious: [Double]
    /// Variance of q(x_{t-1} | x_t, x0) (arXiv 2006.11239, eq. 7); 0 at index 0.
    public let posteriorVariance: [Double]
    /// Its logarithm; index 0, where it would be infinite, repeats index 1.
    public let posteriorLogVariance: [Double]
    /// The mean of q(x_{t-1} | x_t, x0) is posteriorX0 * x0 + posteriorXt * x_t (eq. 7).
    public let posteriorX0: [Double]
    public let posteriorXt: [Double]
    /// log beta: the upper end of learned variances (arXiv 2102.09672, eq. 15).
    public let logBetas: [Double]
    /// The variance of samplers without a learned one: log beta, but the posterior's value at index 0
    /// ("fixed large" in the published code).
    public let fixedLargeLogVariance: [Double]

    /// The log-variances of reverse steps where the network learns none, clipped at index 0.
    func fixedLogVariance(_ kind: DiffusionConfiguration.FixedVariance) -> [Double] {
        switch kind {
        case .large: fixedLargeLogVariance
        case .small: posteriorLogVariance
        }
    }

    /// Number of visited steps.
    public var count: Int { timesteps.count }

    /// - Parameter respacing: see `Respacing.timesteps`.
    /// - Throws: `DiffusionError` for a bad respacing, or a step count that the schedule cannot have.
    public init(_ configuration: DiffusionConfiguration, respacing: String = "") throws {
        let levels = Betas.cumulativeProduct(try Betas.make(configuration).map { 1 - $0 })
        let timesteps = try Respacing.timesteps(total: levels.count, respacing)
        let ac = timesteps.map { levels[$0] }
        let previous = [1] + ac.dropLast()
        let betas = zip(ac, previous).map { 1 - $0 / $1 }
        let indices = ac.indices
        let variance = indices.map { betas[$0] * (1 - previous[$0]) / (1 - ac[$0]) }
        // A single step never draws noise: any finite value serves it.
        let logFirst = log(ac.count > 1 ? variance[1] : betas[0])

        self.timesteps = timesteps
        self.betas = betas
        alphasCumprod = ac
        alphasCumprodPrevious = previous
        posteriorVariance = variance
        posteriorLogVariance = [logFirst] + variance.dropFirst().map { log($0) }
        posteriorX0 = indices.map { betas[$0] * previous[$0].squareRoot() / (1 - ac[$0]) }
        posteriorXt = indices.map { (1 - previous[$0]) * (1 - betas[$0]).squareRoot() / (1 - ac[$0]) }
        logBetas = betas.map { log($0) }
        fixedLargeLogVariance = [logFirst] + betas.dropFirst().map { log($0) }
    }
}
