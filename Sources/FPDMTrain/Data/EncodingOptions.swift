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

    /// The source itself, or what the autoencoder makes of it.
    ///
    /// - Parameter threads: if none are given; all cores of this process if nil.
    func encoded(_ source: any PackSource, threads: Int? = nil) throws -> any PackSource {
        guard let vae else { return source }
        return try MomentsSource(
            source, by: try AutoencoderFolder(vae), engine: try engine.makeEngine(threads: threads))
    }
}
