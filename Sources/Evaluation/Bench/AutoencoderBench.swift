import Compute
import Distributed
import Model

/// How long an autoencoder takes to encode and decode, at a size of one's choice, from weights that mean nothing.
public struct AutoencoderBench {
    public struct Settings: Equatable, Sendable {
        public var configuration = AutoencoderConfiguration()
        /// Of images, in pixels.
        public var side = 256
        /// Images at once.
        public var batch = 1
        /// Of each half, measured.
        public var repeats = 3

        public init() {}
    }

    public struct Result: Codable, Equatable, Sendable {
        public let precision: String
        public let backend: String
        public let threads: Int
        public let side: Int
        public let batch: Int
        /// Medians, of the whole batch.
        public let encodeSeconds: Double
        public let decodeSeconds: Double
        /// The most that feature maps took, of either half.
        public let encodeMapBytes: Int
        public let decodeMapBytes: Int
        /// The most memory that the process has held.
        public let peakBytes: Int
    }

    private let settings: Settings
    private let engine: Engine

    public init(_ settings: Settings, engine: Engine) {
        self.settings = settings
        self.engine = engine
    }

    public func run() -> Result {
        let (c, side, batch) = (settings.configuration, settings.side, settings.batch)
        let latent = c.latentSide(side)
        let (arena, (images, moments, latents)) = Arena.build("images") {
            (
                $0.take(batch * c.imageChannels * side * side), $0.take(batch * 2 * c.latentChannels * latent * latent),
                $0.take(batch * c.latentChannels * latent * latent)
            )
        }
        defer { withExtendedLifetime(arena) {} }
        normal(1).normals(into: images.base, count: images.count)
        normal(2).normals(into: latents.base, count: latents.count)
        let clock = ContinuousClock()
        func median(_ body: () -> Void) -> Double {
            body()
            return (0..<settings.repeats).map { _ in
                let begin = clock.now
                body()
                return (clock.now - begin) / .seconds(1)
            }.median
        }
        // One half after the other: a program needs one of them.
        func encode() -> (Double, Int) {
            let encoder = ImageEncoder(c, engine: engine, weights: weights(AutoencoderTable(c, .encoder)))
            let seconds = median { encoder.encode(images, count: batch, height: side, width: side, into: moments) }
            return (seconds, encoder.peakBytes)
        }
        func decode() -> (Double, Int) {
            let decoder = ImageDecoder(c, engine: engine, weights: weights(AutoencoderTable(c, .decoder)))
            let images = images.slice(0, batch * c.imageChannels * latent * c.factor * latent * c.factor)
            let seconds = median { decoder.decode(latents, count: batch, height: latent, width: latent, into: images) }
            return (seconds, decoder.peakBytes)
        }
        let (encoding, decoding) = (encode(), decode())
        return Result(
            precision: engine.precision.rawValue, backend: engine.nameWithConvolutions,
            threads: engine.pool.threadCount, side: side,
            batch: batch, encodeSeconds: encoding.0, decodeSeconds: decoding.0, encodeMapBytes: encoding.1,
            decodeMapBytes: decoding.1, peakBytes: ProcessMemory.peak)
    }

    private func normal(_ index: Int) -> RandomStream {
        RandomStream(seed: 1, purpose: RandomPurpose.initialization.rawValue, sample: index)
    }

    /// Weights of a size at which values neither grow nor vanish.
    private func weights(_ table: AutoencoderTable) -> AutoencoderWeights {
        let weights = AutoencoderWeights(table)
        for (index, tensor) in table.tensors.enumerated() {
            let values = weights.values[tensor.range]
            let isNorm = tensor.shape.count == 1 && tensor.name.hasSuffix("weight")
            normal(10 + index).normals(into: values.base, count: values.count)
            let fanIn = tensor.shape.dropFirst().reduce(1, *)
            let scale = tensor.shape.count == 1 ? Float(0.1) : 1 / Float(fanIn).squareRoot()
            for i in 0..<values.count { values[i] = values[i] * scale + (isNorm ? 1 : 0) }
        }
        return weights
    }
}
