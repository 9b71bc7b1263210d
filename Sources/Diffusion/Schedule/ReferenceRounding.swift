/// Sums and evenly spaced values rounded exactly as PyTorch rounds them on processors with AVX2.
///
/// Iteration budgets round shares that are often whole numbers but for the last bit: `torch.linspace` and `Tensor.sum`
/// decide which side they fall on, and published allocations follow from that. The order of operations below is that
/// of PyTorch's kernels for float64 (vectors of 4, two or four at a time), found bit by bit.
enum ReferenceRounding {
    private static let width = 4

    /// `torch.linspace`: counted from the nearer end, in vectors whose first value has one rounding and the others two.
    static func evenlySpaced(from start: Double, through end: Double, count: Int) -> [Double] {
        guard count > 1 else { return count == 1 ? [start] : [] }
        let step = (end - start) / Double(count - 1)
        func value(_ i: Int) -> Double {
            i < count / 2
                ? start.addingProduct(step, Double(i)) : end.addingProduct(-step, Double(count - i - 1))
        }
        let inVectors = count - count % (2 * width)
        return (0..<count).map { i in
            i < inVectors ? value(i - i % width) + step * Double(i % width) : value(i)
        }
    }

    /// `Tensor.sum`: four vectors of partial sums, each set aside every 16 additions.
    static func sum(_ values: [Double]) -> Double {
        let width = values.count >= Self.width ? Self.width : 1
        let rows = values.count / width
        let blocks = rows / 4
        var lanes = (0..<4 * width).map { lane in
            var near = 0.0
            var far = 0.0
            for block in 0..<blocks {
                near += values[block * 4 * width + lane]
                if block % 16 == 15 { (near, far) = (0, far + near) }
            }
            return near + far
        }
        for i in blocks * 4 * width..<rows * width { lanes[i % width] += values[i] }
        for lane in width..<4 * width { lanes[lane % width] += lanes[lane] }
        return lanes[..<width].reduce(values[(rows * width)...].reduce(0, +), +)
    }
}
