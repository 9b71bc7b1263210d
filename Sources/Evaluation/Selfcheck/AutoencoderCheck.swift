import Compute
import Model
import Sampling
import Storage

extension ReferenceCase {
    /// Kind `vae`: images to moments, a latent drawn from them by given noise, and images from given latents. The autoencoder's
    /// folder is that of the case.
    func checkAutoencoder(_ engine: Engine) throws -> [Comparison] {
        let folder = try AutoencoderFolder(Files.folder(of: path))
        let c = folder.configuration
        let scaling = try number("scaling_factor")
        guard scaling == c.scaling else {
            throw malformed("attribute scaling_factor is \(scaling), and config.json beside it says \(c.scaling)")
        }
        func images(_ name: String, channels: Int) throws -> (shape: [Int], values: FloatBuffer) {
            let shape = try file.dataset(name).shape
            guard shape.count == 4, shape[1] == channels, !shape.contains(0) else {
                throw malformed("\(name) has shape \(shape), not [N, \(channels), height, width]")
            }
            return (shape, buffer(try floats(name)))
        }
        let (shape, image) = try images("inputs/image", channels: c.imageChannels)
        let (count, height, width) = (shape[0], shape[2], shape[3])
        let (h, w) = (c.latentSide(height), c.latentSide(width))
        guard h > 0, w > 0 else { throw malformed("inputs/image: smaller than a pixel of the latent") }
        let encoder = try folder.encoder(engine)
        let moments = buffer(count * encoder.momentValues(height: height, width: width))
        encoder.encode(image, count: count, height: height, width: width, into: moments)
        let half = c.latentChannels * h * w
        let noise = try floats("inputs/noise", count: count * half)
        var (means, variances, latents): ([Float], [Float], [Float]) = ([], [], [])
        for sample in 0..<count {
            let own = moments.slice(sample * 2 * half, 2 * half)
            means += own.slice(0, half).array
            variances += own.slice(half, half).array
            let drawn = buffer(Array(noise[sample * half..<(sample + 1) * half]))
            LatentMoments.draw(own, noise: drawn)
            latents += drawn.array
        }
        let tolerance = Tolerance(engine.precision)
        var results: [Comparison] = [
            .of("outputs/mean", means, try floats("outputs/mean"), tolerance.autoencoder),
            .of("outputs/log_variance", variances, try floats("outputs/log_variance"), tolerance.autoencoder),
            .of("outputs/latent", latents, try floats("outputs/latent"), tolerance.autoencoder),
        ]
        let (latentShape, latent) = try images("outputs/latent", channels: c.latentChannels)
        let decoded = buffer(count * c.imageChannels * h * c.factor * w * c.factor)
        guard latentShape == [count, c.latentChannels, h, w] else {
            throw malformed("outputs/latent has shape \(latentShape), not \([count, c.latentChannels, h, w])")
        }
        try folder.decoder(engine).decode(latent, count: count, height: h, width: w, into: decoded)
        results.append(.of("outputs/decoded", decoded.array, try floats("outputs/decoded"), tolerance.autoencoder))
        return results
    }
}
