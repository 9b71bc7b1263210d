import Datasets
import Reporting
import Sampling

/// How good samples are, measured against real images of the same kind.
public struct Quality: Codable, Equatable, Sendable {
    public let samples: Int
    public let realImages: Int
    /// Frechet distance over raw pixels, samples clamped to [-1, 1]; nil where samples are not finite.
    public let frechetDistance: Double?
    /// Share of samples whose nearest real image has their label; nil without class labels.
    public let neighbourAgreement: Double?

    public init(_ file: SampleFile, against dataset: ShardedDataset) throws {
        guard file.channels == dataset.channels, file.side == dataset.side else {
            throw Failure(
                .badData,
                "the samples are \(file.channels) x \(file.side) x \(file.side), the data set's images "
                    + "\(dataset.channels) x \(dataset.side) x \(dataset.side); measure against the data that the "
                    + "model was trained on")
        }
        let width = dataset.imageValues
        guard file.images.count >= 2 * width else {
            throw Failure(.badData, "a single sample has no distribution; draw more with --count")
        }
        guard width <= 8_192 else {
            throw Failure(
                .badData,
                "images of \(width) values are too large for a distance over raw pixels, whose covariance would hold "
                    + "\(width) x \(width) numbers; at most 8192 values can be measured")
        }
        let real = try dataset.allImages()
        // Written so that a NaN stays one.
        let clamped = file.images.map { $0 > 1 ? 1 : ($0 < -1 ? -1 : $0) }
        samples = clamped.count / width
        realImages = dataset.count
        frechetDistance = try FrechetDistance.between(clamped, real.images, width: width)
        if let labels = file.classes, let realLabels = real.classes {
            neighbourAgreement = NearestNeighbour.agreement(
                clamped, labels: labels, real: real.images, realLabels: realLabels, width: width)
        } else {
            neighbourAgreement = nil
        }
    }
}
