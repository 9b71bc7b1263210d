import Datasets
import Reporting
import Sampling
import Storage

/// What `--labels` names: an HDF5 or a `.npy` file, or a data set.
enum LabelSource {
    /// The label vectors of images.
    ///
    /// - Parameters:
    ///   - path: of an HDF5 file with `/labels` [N, K], or of a `.npy` file of [N, K], whose rows images take in turn; or
    ///     the base path of a data set, of whose samples image i has the label of sample i, beginning anew at the end.
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
        if path.lowercased().hasSuffix(".npy") {
            let labels = try NPYArray(path: path)
            let length = try vectorLength(labels.shape, path, "the array")
            return SampleLabels.LabelVectors(
                try finite(labels.floats(0..<labels.shape[0]), path, "the array"), length: length)
        }
        let labels = try HDF5File.open(path).dataset("labels")
        let length = try vectorLength(labels.shape, path, "/labels")
        return SampleLabels.LabelVectors(try finite(labels.read(Float.self), path, "/labels"), length: length)
    }

    /// K of [N, K].
    ///
    /// - Parameter what: has the shape, for errors.
    private static func vectorLength(_ shape: [Int], _ path: String, _ what: String) throws -> Int {
        guard shape.count == 2, !shape.contains(0) else {
            throw Failure(.badData, "\(path): \(what) has shape \(shape), not [N, K]: label vectors, one a row")
        }
        return shape[1]
    }

    private static func finite(_ values: [Float], _ path: String, _ what: String) throws -> [Float] {
        guard let position = values.firstIndex(where: { !$0.isFinite }) else { return values }
        throw Failure(
            .badData,
            "\(path): \(what) holds \(values[position]) at position \(position), where finite float32 values are wanted"
        )
    }
}
