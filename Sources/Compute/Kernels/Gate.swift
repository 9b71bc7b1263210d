/// x + gate * branch, the gate one vector for each sample: the residual connection of adaLN-Zero (arXiv 2212.09748, 3.2),
/// forward beside backward.
public enum Gate {
    /// stream [rows, D] += gate * branch, branch = product + bias.
    ///
    /// - Parameters:
    ///   - stream, product: float32.
    ///   - branch: takes the branch, where it will be asked for.
    public static func forward(
        stream: Matrix, product: Matrix, bias: UnsafePointer<Float>, gate: SampleVectors, branch: Matrix?,
        rows: Int
    ) {
        switch branch?.element ?? .float32 {
        case .float32: forward(StoredFloat32.self, stream, product, bias, gate, branch, rows)
        case .bfloat16: forward(StoredBFloat16.self, stream, product, bias, gate, branch, rows)
        }
    }

    private static func forward<E: StoredElement>(
        _: E.Type, _ stream: Matrix, _ product: Matrix, _ bias: UnsafePointer<Float>, _ gate: SampleVectors,
        _ branch: Matrix?, _ rows: Int
    ) {
        let keeping = KeptRows<E>(branch)
        for row in 0..<rows {
            let (x, p, g) = (stream.floats(row), product.floats(row), gate[row])
            let kept = keeping[row]
            for (i, n) in vectors(stream.columns) {
                let b = load(p + i, n) + load(bias + i, n)
                let sum = multiplyAdd(load(g + i, n), b, load(x + i, n))
                store(sum, x + i, n)
                if let kept { keeping.store(b, kept, i, n) }
            }
        }
        keeping.finish()
    }

    /// branchGradient [rows, D] = gate * gradient; gateGradient += gradient * branch, summed over a sample's rows.
    ///
    /// - Parameters:
    ///   - gradient: float32, of the stream.
    ///   - columnSums: [D], those of branchGradient are added to it: the gradient of the branch's bias.
    public static func backward(
        gradient: Matrix, gate: SampleVectors, branch: Matrix, gateGradient: SampleVectors, branchGradient: Matrix,
        columnSums: UnsafeMutablePointer<Float>, rows: Int
    ) {
        switch branch.element {
        case .float32:
            backward(StoredFloat32.self, gradient, gate, branch, gateGradient, branchGradient, columnSums, rows)
        case .bfloat16:
            backward(StoredBFloat16.self, gradient, gate, branch, gateGradient, branchGradient, columnSums, rows)
        }
    }

    private static func backward<E: StoredElement>(
        _: E.Type, _ gradient: Matrix, _ gate: SampleVectors, _ branch: Matrix, _ gateGradient: SampleVectors,
        _ branchGradient: Matrix, _ columnSums: UnsafeMutablePointer<Float>, _ rows: Int
    ) {
        for row in 0..<rows {
            let (dy, g, b) = (gradient.floats(row), gate[row], branch.row(row))
            let (dg, db) = (gateGradient[row], branchGradient.row(row))
            for (i, n) in vectors(gradient.columns) {
                let d = load(dy + i, n)
                store(multiplyAdd(d, E.load(b, i, n), load(dg + i, n)), dg + i, n)
                let own = d * load(g + i, n)
                E.store(own, db, i, n)
                store(load(columnSums + i, n) + own, columnSums + i, n)
            }
        }
    }
}
