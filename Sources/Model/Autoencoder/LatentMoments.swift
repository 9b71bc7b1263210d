import Compute
import Glibc

/// The distribution of an image's latents as an encoder gives it: [2 L, h, w], means and then the logarithms of the
/// variances.
public enum LatentMoments {
    /// A latent drawn from it: (mean + standard deviation x noise - shift) x scale.
    ///
    /// - Parameters:
    ///   - moments: [2, L h w]
    ///   - noise: [L h w], standard normal; becomes the latent.
    public static func draw(_ moments: FloatBuffer, noise: FloatBuffer, scale: Double = 1, shift: Double = 0) {
        let half = noise.count
        precondition(moments.count == 2 * half, "noise for each value")
        let (scale, shift) = (Float(scale), Float(shift))
        for i in 0..<half {
            let drawn = moments[i] + exp(0.5 * moments[half + i]) * noise[i]
            noise[i] = (drawn - shift) * scale
        }
    }
}
