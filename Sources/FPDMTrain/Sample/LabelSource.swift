import Datasets
import Reporting
import Sampling
import Storage

/// What `--labels` names: an HDF5 file, or a data set.
enum LabelSource {
    /// The label vectors of images.
    ///
    /// - Parameters:
    ///   - path: of an HDF5 file with `/labels` [N, K], whose rows images take in turn; or the base path of a data set,
    ///     of whose samples image i has the label of sample i, beginning anew at the end.
    ///   - images: indices of all images.
    /// - Throws: `Failure`, `StorageError`, `DatasetError`.
    static func vectors(_ path: String, for images: Range<Int>) throws -> SampleLabels.LabelVectors {
        guard try Files.exists(path) else {
            let dataset = try ShardedDataset(path: path)
            guard case .continuous(let length) = dataset.labels else {
                throw Failure(.badData, "\(path): its labels are no vectors; images of classes are chosen by --classes")
            }
            let values = try dataset.labelVectors(images.map { $0 % dataset.count })
            return SampleLabels.LabelVectors(values, length: length, first: images.lowerBound)
        }
        let labels = try HDF5File.open(path).dataset("labels")
        guard labels.shape.count == 2, !labels.shape.contains(0) else {
            throw Failure(.badData, "\(path): /labels has shape \(labels.shape), not [N, K]: label vectors")
        }
        let values = try labels.read(Float.self)
        guard values.allSatisfy(\.isFinite) else {
            throw Failure(.badData, "\(path): /labels holds values that are not finite")
        }
        return SampleLabels.LabelVectors(values, length: labels.shape[1])
    }
}
