import Datasets
import Jobs

/// What is likely not meant when latents are drawn.
public enum LatentRemarks {
    /// Compares the autoencoder that is to decode with the one that the training data tell of, where they are at hand.
    ///
    /// - Returns: nil where nothing is to be said.
    /// - Throws: `StorageError` if the autoencoder's file cannot be read.
    public static func remark(on job: JobConfiguration, decodedBy autoencoder: AutoencoderFolder?) throws -> String? {
        guard let autoencoder else {
            guard job.model.channels != 1, job.model.channels != 3 else { return nil }
            return
                "images of \(job.model.channels) channels are drawn as they are, and pictures show three of them; if they "
                + "are latents, decode them with the autoencoder that made them: --vae FOLDER"
        }
        guard let latents = (try? ShardedDataset(path: job.data.path))?.attributes.latents,
            let recorded = latents.autoencoder
        else { return nil }
        let digest = try autoencoder.digest()
        guard recorded != digest else { return nil }
        return
            "\(job.data.path), which the model was trained on, was encoded by the autoencoder of digest \(recorded), and "
            + "\(autoencoder.path) is \(digest): pictures are right only if both share their latents"
    }
}
