import Compute
import Datasets
import Foundation
import Model
import Reporting

/// Images of another source as an autoencoder encodes them: the moments of their latents, [2 L, h, w], of which training
/// draws a latent at each use.
///
/// Small images are encoded some at a time, so that all threads have work: those that follow the one asked for, and are
/// kept until they are asked for themselves.
public final class MomentsSource: PackSource, @unchecked Sendable {
    public let channels: Int
    public let side: Int
    public let latents: LatentScaling?
    /// The matrix library, its version and instructions, and the precision: they decide about last bits.
    private let kernels: String
    private let source: any PackSource
    private let encoder: ImageEncoder
    private let together: Int
    private let lock = NSLock()
    /// What has been encoded ahead, by its number; an error is kept for whoever asks for that image.
    private var ahead: [Int: Result<PackedSample, any Error>] = [:]

    /// Pixels of the images that are encoded together.
    private static let pixels = 512 * 512

    /// - Parameters:
    ///   - source: of pixels.
    ///   - folder: of the autoencoder.
    /// - Throws: `Failure`, usage, for a source that it does not encode; `StorageError` for its weights.
    public init(_ source: any PackSource, by folder: AutoencoderFolder, engine: Engine) throws {
        let c = folder.configuration
        guard source.content == "pixels" else {
            throw Failure(.usage, "--vae encodes pixels, and the source holds \(source.content); leave --vae out")
        }
        guard source.channels == c.imageChannels else {
            throw Failure(
                .usage,
                "--vae encodes images of \(c.imageChannels) channels, and the source's have \(source.channels); give "
                    + "--channels \(c.imageChannels) where the source takes it")
        }
        guard source.side % c.factor == 0, source.side > 0 else {
            throw Failure(
                .usage,
                "--vae halves images until a latent's pixel stands for \(c.factor) x \(c.factor) of theirs, and their side "
                    + "is \(source.side); give --side a multiple of \(c.factor)")
        }
        self.source = source
        channels = 2 * c.latentChannels
        side = c.latentSide(source.side)
        latents = LatentScaling(scale: c.scaling, shift: c.shift, autoencoder: try folder.digest())
        encoder = try folder.encoder(engine)
        kernels = "\(engine.nameWithConvolutions), \(engine.precision.rawValue)"
        together = max(1, Self.pixels / (source.side * source.side))
    }

    public var count: Int { source.count }
    public var type: PackedType { .float32 }
    public var content: String { "moments" }
    public var labels: DatasetLabels { source.labels }
    public var labelNames: [String]? { source.labelNames }
    public var scaling: (scale: Double, shift: Double) { (1, 0) }
    /// What encodes them is part of it: shards of other last bits would make no data set that one can have again.
    public var identity: String { "\(source.identity), encoded by \(latents?.autoencoder ?? "") with \(kernels)" }

    public func sample(at index: Int) throws -> PackedSample {
        try lock.withLock {
            if let known = ahead.removeValue(forKey: index) { return try known.get() }
            ahead.removeAll(keepingCapacity: true)
            encode(index..<min(index + together, count))
            guard let encoded = ahead.removeValue(forKey: index) else {
                preconditionFailure("sample \(index) was not encoded")
            }
            return try encoded.get()
        }
    }

    private func encode(_ range: Range<Int>) {
        var labels: [(index: Int, label: PackedSample.Label)] = []
        let pixels = source.channels * source.side * source.side
        let values = encoder.momentValues(height: source.side, width: source.side)
        let (arena, (images, moments)) = Arena.build("images and moments") {
            ($0.take(range.count * pixels), $0.take(range.count * values))
        }
        defer { withExtendedLifetime(arena) {} }
        for index in range {
            do {
                let sample = try source.sample(at: index)
                fill(images.slice(labels.count * pixels, pixels), with: sample.values)
                labels.append((index, sample.label))
            } catch {
                ahead[index] = .failure(error)
            }
        }
        guard !labels.isEmpty else { return }
        encoder.encode(images, count: labels.count, height: source.side, width: source.side, into: moments)
        for (position, own) in labels.enumerated() {
            ahead[own.index] = .success(
                PackedSample(values: .floats(moments.slice(position * values, values).array), label: own.label))
        }
    }

    private func fill(_ image: FloatBuffer, with values: PackedSample.Values) {
        let (scale, shift) = (Float(source.scaling.scale), Float(source.scaling.shift))
        switch values {
        case .bytes(let bytes): for i in 0..<image.count { image[i] = Float(bytes[i]) * scale + shift }
        case .floats(let floats): for i in 0..<image.count { image[i] = floats[i] * scale + shift }
        }
    }
}
