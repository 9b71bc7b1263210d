/// Rows of a layer's output, a row for each token, cut up by attention heads: [S, H, T, d] for each part of it.
///
/// A head's tokens lie one behind the other, as the products of attention read them. S samples, T tokens, H heads of
/// width d, D = H d.
public struct Heads: Sendable {
    public let tokens: Int
    public let heads: Int
    public let headWidth: Int

    public init(tokens: Int, heads: Int, headWidth: Int) {
        self.tokens = tokens
        self.heads = heads
        self.headWidth = headWidth
    }

    public var width: Int { heads * headWidth }
    /// Elements of one head of one sample.
    public var headElements: Int { tokens * headWidth }

    /// Cuts up rows [rows, parts D] of `product`, plus a bias.
    ///
    /// - Parameters:
    ///   - bias: [parts D]
    ///   - output: parts of [S, H, T, d], `partElements` apart.
    ///   - firstRow: the place of the first row among the S T tokens.
    public func split(
        _ product: Matrix, bias: UnsafePointer<Float>?, into output: Matrix, partElements: Int, firstRow: Int,
        rows: Int
    ) {
        switch output.element {
        case .float32: split(StoredFloat32.self, product, bias, output, partElements, firstRow, rows)
        case .bfloat16: split(StoredBFloat16.self, product, bias, output, partElements, firstRow, rows)
        }
    }

    private func split<E: StoredElement>(
        _: E.Type, _ product: Matrix, _ bias: UnsafePointer<Float>?, _ output: Matrix, _ partElements: Int,
        _ firstRow: Int, _ rows: Int
    ) {
        let bytes = output.element.bytes
        let parts = product.columns / width
        for row in 0..<rows {
            let (sample, token) = (firstRow + row).quotientAndRemainder(dividingBy: tokens)
            let x = product.floats(row)
            for part in 0..<parts {
                for head in 0..<heads {
                    let column = part * width + head * headWidth
                    let place = part * partElements + (sample * heads + head) * headElements + token * headWidth
                    let target = output.base + place * bytes
                    for (i, n) in vectors(headWidth) {
                        var v = load(x + column + i, n)
                        if let bias { v += load(bias + column + i, n) }
                        E.store(v, target, i, n)
                    }
                }
            }
        }
    }
}
