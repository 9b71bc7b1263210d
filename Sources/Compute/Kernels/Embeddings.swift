import Glibc

/// Fixed and looked-up embeddings.
public enum Embeddings {
    /// Sine-cosine positions [side * side, width]: the first half encodes the column, the second the row
    /// (the published code's order). `width` is a multiple of 4.
    public static func positions(width: Int, side: Int) -> [Float] {
        let quarter = width / 4
        var table = [Float](repeating: 0, count: side * side * width)
        for row in 0..<side {
            for column in 0..<side {
                let start = (row * side + column) * width
                for i in 0..<quarter {
                    let omega = 1 / pow(10_000, Double(i) / Double(quarter))
                    table[start + i] = Float(sin(Double(column) * omega))
                    table[start + quarter + i] = Float(cos(Double(column) * omega))
                    table[start + 2 * quarter + i] = Float(sin(Double(row) * omega))
                    table[start + 3 * quarter + i] = Float(cos(Double(row) * omega))
                }
            }
        }
        return table
    }

    /// Features [width] of timestep `t`: cosines, then sines, of frequencies from 1 down to 1/10,000.
    public static func timestep(_ t: Int, width: Int, into output: UnsafeMutablePointer<Float>) {
        let half = width / 2
        for i in 0..<half {
            let angle = Double(t) * exp(-log(10_000.0) * Double(i) / Double(half))
            output[i] = Float(cos(angle))
            output[half + i] = Float(sin(angle))
        }
    }
}
