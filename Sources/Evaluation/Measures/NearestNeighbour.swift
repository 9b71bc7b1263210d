/// Do samples look like what they were asked to be? Each sample's nearest real image votes.
public enum NearestNeighbour {
    /// Share of samples whose nearest real image (Euclidean) has the sample's label.
    ///
    /// - Parameters:
    ///   - samples, real: [count, width] each, row-major.
    public static func agreement(
        _ samples: [Float], labels: [Int32], real: [Float], realLabels: [Int32], width: Int
    ) -> Double {
        precondition(
            samples.count == labels.count * width && real.count == realLabels.count * width, "label each image")
        precondition(!labels.isEmpty && !realLabels.isEmpty, "nothing to compare")
        var agreeing = 0
        for sample in labels.indices {
            var best = Float.infinity
            var nearest: Int32?
            for candidate in realLabels.indices {
                var distance: Float = 0
                for i in 0..<width {
                    let d = samples[sample * width + i] - real[candidate * width + i]
                    distance += d * d
                }
                if distance < best {
                    best = distance
                    nearest = realLabels[candidate]
                }
            }
            if nearest == labels[sample] { agreeing += 1 }
        }
        return Double(agreeing) / Double(labels.count)
    }
}
