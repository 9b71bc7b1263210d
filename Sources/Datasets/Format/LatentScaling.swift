import Storage

/// What makes the latent that a model sees of one that is drawn from moments: less `shift`, times `scale`.
public struct LatentScaling: Equatable, Sendable, CustomStringConvertible {
    public let scale: Double
    public let shift: Double
    /// Which autoencoder the moments are of: CRC-32C of its file of weights.
    public let autoencoder: String?

    public init(scale: Double, shift: Double, autoencoder: String?) {
        (self.scale, self.shift, self.autoencoder) = (scale, shift, autoencoder)
    }

    public var description: String {
        "(latent \(shift < 0 ? "+" : "-") \(abs(shift))) * \(scale)" + (autoencoder.map { ", autoencoder \($0)" } ?? "")
    }
}

extension LatentScaling {
    /// Reads the attributes of a file of moments.
    ///
    /// - Throws: ``DatasetError`` or `StorageError`, naming file and attribute.
    init(reading file: HDF5File) throws {
        guard try file.hasAttribute("latentScale") else {
            throw DatasetError(
                .malformed, file.path,
                "lacks the attribute latentScale: content is moments, and a model sees the latents times that")
        }
        let scale = try file.attribute("latentScale", as: Double.self)
        let shift = try file.hasAttribute("latentShift") ? file.attribute("latentShift", as: Double.self) : 0
        guard scale.isFinite, scale != 0, shift.isFinite else {
            throw DatasetError(
                .malformed, file.path, "attributes latentScale and latentShift are \(scale) and \(shift), not numbers")
        }
        self.init(
            scale: scale, shift: shift,
            autoencoder: try file.hasAttribute("autoencoder") ? file.attribute("autoencoder") : nil)
    }
}

extension PackSource {
    public var latents: LatentScaling? { nil }
}
