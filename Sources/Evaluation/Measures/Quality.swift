import Compute
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
    /// What the same measures say of real images that are not among those; nil where none were given.
    public let heldOut: HeldOut?

    /// Real images in place of samples, as many of them: what good samples reach.
    public struct HeldOut: Codable, Equatable, Sendable {
        public let images: Int
        public let frechetDistance: Double?
        public let neighbourAgreement: Double?
    }

    /// - Parameters:
    ///   - dataset: what the model was trained on.
    ///   - heldOut: images of the same kind which it was not trained on; nil: none.
    ///   - pool: the threads that compute.
    public init(
        _ file: SampleFile, against dataset: ShardedDataset, heldOut: ShardedDataset? = nil, pool: WorkerPool
    ) throws {
        try Self.requireLike(file, dataset, "measure against the data that the model was trained on")
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
        let measures = try Self.measure(clamped, file.classes, real, width, pool)
        (frechetDistance, neighbourAgreement) = (measures.distance, measures.agreement)
        guard let other = heldOut else {
            self.heldOut = nil
            return
        }
        try Self.requireLike(file, other, "hold back images of their kind")
        guard other.count >= 2 else {
            throw Failure(.badData, "\(other.name.base): a single image has no distribution")
        }
        let contents = try other.allImages()
        let count = min(samples, other.count)
        // Spread over all of them, lest they be of the first classes only.
        let chosen = (0..<count).map { $0 * other.count / count }
        let images = chosen.flatMap { contents.images[$0 * width..<($0 + 1) * width] }
        let reached = try Self.measure(
            images, contents.classes.map { classes in chosen.map { classes[$0] } }, real, width, pool)
        self.heldOut = HeldOut(
            images: count, frechetDistance: reached.distance, neighbourAgreement: reached.agreement)
    }

    private static func measure(
        _ images: [Float], _ classes: [Int32]?, _ real: DatasetContents, _ width: Int, _ pool: WorkerPool
    ) throws -> (distance: Double?, agreement: Double?) {
        let distance = try FrechetDistance.between(images, real.images, width: width, pool: pool)
        guard let labels = classes, let realLabels = real.classes else { return (distance, nil) }
        let agreement = NearestNeighbour.agreement(
            images, labels: labels, real: real.images, realLabels: realLabels, width: width, pool: pool)
        return (distance, agreement)
    }

    private static func requireLike(
        _ file: SampleFile, _ dataset: ShardedDataset, _ remedy: String
    ) throws {
        guard file.channels == dataset.channels, file.side == dataset.side else {
            throw Failure(
                .badData,
                "the samples are \(file.channels) x \(file.side) x \(file.side), the data set's images "
                    + "\(dataset.channels) x \(dataset.side) x \(dataset.side); \(remedy)")
        }
    }
}
