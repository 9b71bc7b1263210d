/// What numbers are stored as.
public enum Element: Int32, Sendable, CaseIterable {
    case float32 = 0
    /// The upper half of a float32: its range, 8 bits of precision.
    case bfloat16 = 1

    public var bytes: Int { self == .float32 ? 4 : 2 }
    /// How many a cache line holds.
    var perLine: Int { CacheLine.bytes / bytes }
}

/// A matrix in somebody else's memory, of either element type; it owns nothing and copies as a pointer does. Its rows lie
/// one behind the other; or cut in vectors of columns, each with its rows one behind the other (`TileLayout`),
/// which only kernels that say so read or write.
public struct Matrix: @unchecked Sendable {
    public let base: UnsafeMutableRawPointer
    public let element: Element
    public let columns: Int
    /// Elements from one row to the next.
    public let stride: Int
    /// Elements from one vector of columns to the next.
    let vectorStride: Int

    public init(_ base: UnsafeMutableRawPointer, _ element: Element, columns: Int, stride: Int? = nil) {
        self.init(base, element, columns: columns, stride: stride ?? columns, vectorStride: 16)
    }

    init(_ base: UnsafeMutableRawPointer, _ element: Element, columns: Int, stride: Int, vectorStride: Int) {
        self.base = base
        self.element = element
        self.columns = columns
        self.stride = stride
        self.vectorStride = vectorStride
    }

    /// A matrix of floats that lie one row behind the other.
    public init(_ buffer: FloatBuffer, columns: Int) { self.init(buffer.base, .float32, columns: columns) }

    var isInVectors: Bool { vectorStride != 16 }

    @inline(__always)
    public func row(_ row: Int) -> UnsafeMutableRawPointer { base + row * stride * element.bytes }

    /// The same matrix from a row on.
    @inline(__always)
    public func from(_ first: Int) -> Matrix {
        Matrix(row(first), element, columns: columns, stride: stride, vectorStride: vectorStride)
    }

    /// A row of a float32 matrix.
    @inline(__always)
    public func floats(_ row: Int = 0) -> UnsafeMutablePointer<Float> {
        assert(element == .float32, "a matrix of another element type")
        return self.row(row).assumingMemoryBound(to: Float.self)
    }
}

extension Arena {
    /// Takes a matrix of zeros.
    public func take(rows: Int, columns: Int, _ element: Element) -> Matrix {
        let floats = take((rows * columns * element.bytes + 3) / 4)
        return Matrix(UnsafeMutableRawPointer(floats.base), element, columns: columns)
    }
}
