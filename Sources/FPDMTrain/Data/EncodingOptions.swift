import ArgumentParser
import Datasets
import Sampling

/// Whether what is packed is encoded first, and what computes that.
struct EncodingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Encode the images by this autoencoder, a folder of diffusers (config.json, safetensors): the moments of their latents are packed, of which training draws a latent at each use.",
            valueName: "folder"))
    var vae: String?

    @OptionGroup(title: "What encodes") var engine: EngineOptions

    /// The autoencoder, where one is given.
    func autoencoder() throws -> AutoencoderFolder? { try vae.map { try AutoencoderFolder($0) } }

    /// The source itself, or what the autoencoder makes of it.
    ///
    /// - Parameter threads: if none are given; all cores of this process if nil.
    func encoded(
        _ source: any PackSource, by autoencoder: AutoencoderFolder?, threads: Int? = nil
    ) throws -> any PackSource {
        guard let autoencoder else { return source }
        return try MomentsSource(source, by: autoencoder, engine: try engine.makeEngine(threads: threads))
    }
}
