import Compute
import Model
import Reporting

/// Makes images of the latents that a model has drawn.
public final class LatentDecoder {
    /// Of an image: channels, and the side of a square one.
    public let channels: Int
    public let side: Int
    private let latentSide: Int
    private let decoder: ImageDecoder

    /// - Parameters:
    ///   - folder: of the autoencoder whose latents the model was trained on.
    ///   - model: which draws them.
    /// - Throws: `Failure`, bad data, where the model's channels are not the autoencoder's; `StorageError` for its weights.
    public init(_ folder: AutoencoderFolder, for model: ModelConfiguration, engine: Engine) throws {
        let c = folder.configuration
        guard model.channels == c.latentChannels else {
            throw Failure(
                .badData,
                "\(folder.path): decodes latents of \(c.latentChannels) channels, and the model draws images of "
                    + "\(model.channels); give the autoencoder that its data were encoded by, or leave --vae out")
        }
        channels = c.imageChannels
        side = model.imageSize * c.factor
        latentSide = model.imageSize
        decoder = try folder.decoder(engine)
    }

    /// Values of one image.
    public var imageValues: Int { channels * side * side }

    /// Images of drawn latents, with the same indices and classes.
    public func decoded(_ drawn: DrawnImages) -> DrawnImages {
        DrawnImages(
            indices: drawn.indices, channels: channels, side: side, values: images(drawn.values),
            classes: drawn.classes,
            iterations: drawn.iterations
        )
    }

    /// - Parameter latents: [N, L, S, S], as a model sees them: scaled.
    /// - Returns: [N, C, side, side], about in [-1, 1].
    public func images(_ latents: [Float]) -> [Float] {
        let c = decoder.configuration
        let values = c.latentChannels * latentSide * latentSide
        precondition(latents.count % values == 0, "latents of another size")
        let count = latents.count / values
        guard count > 0 else { return [] }
        let (scale, shift) = (Float(c.scaling), Float(c.shift))
        // One after the other where they are large: memory for one is enough.
        let (arena, (input, output)) = Arena.build("latents") {
            ($0.take(count * values), $0.take(count * imageValues))
        }
        return withExtendedLifetime(arena) {
            for i in 0..<input.count { input[i] = latents[i] / scale + shift }
            decoder.decode(input, count: count, height: latentSide, width: latentSide, into: output)
            return output.array
        }
    }
}
