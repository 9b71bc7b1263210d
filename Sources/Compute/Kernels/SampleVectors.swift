/// A vector for each sample, as the rows of one stretch of tokens see them: the parts of a modulation, or its gradient.
public struct SampleVectors {
    /// The first row's.
    public let base: UnsafeMutablePointer<Float>
    /// Floats from one sample's to the next one's.
    public let stride: Int
    /// Rows of a sample, from the first row on.
    public let rowsPerSample: Int

    public init(_ base: UnsafeMutablePointer<Float>, stride: Int, rowsPerSample: Int) {
        self.base = base
        self.stride = stride
        self.rowsPerSample = rowsPerSample
    }

    @inline(__always)
    subscript(row: Int) -> UnsafeMutablePointer<Float> { base + row / rowsPerSample * stride }
}
