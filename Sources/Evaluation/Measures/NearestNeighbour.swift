import Compute

/// Do samples look like what they were asked to be? Each sample's nearest real image votes.
public enum NearestNeighbour {
    /// Samples that a task compares at once: enough to read each real image once for many of them.
    private static let block = 16

    /// Share of samples whose nearest real image (Euclidean) has the sample's label.
    ///
    /// - Parameters:
    ///   - samples, real: [count, width] each, row-major.
    ///   - pool: the threads that compare.
    public static func agreement(
        _ samples: [Float], labels: [Int32], real: [Float], realLabels: [Int32], width: Int, pool: WorkerPool
    ) -> Double {
        precondition(
            samples.count == labels.count * width && real.count == realLabels.count * width, "label each image")
        precondition(!labels.isEmpty && !realLabels.isEmpty, "nothing to compare")
        let blocks = (labels.count + block - 1) / block
        var agreeing = [Int](repeating: 0, count: blocks)
        agreeing.withUnsafeMutableBufferPointer { agreeing in
            samples.withUnsafeBufferPointer { samples in
                real.withUnsafeBufferPointer { real in
                    let agreeing = agreeing
                    pool.parallelFor(blocks) { task, _ in
                        let range = task * block..<min((task + 1) * block, labels.count)
                        let own = UnsafeBufferPointer(
                            rebasing: samples[range.lowerBound * width..<range.upperBound * width])
                        let nearest = Distances.nearest(to: own, among: real, width: width)
                        agreeing[task] = zip(range, nearest).count { sample, found in
                            found.map { realLabels[$0] == labels[sample] } ?? false
                        }
                    }
                }
            }
        }
        return Double(agreeing.reduce(0, +)) / Double(labels.count)
    }
}
