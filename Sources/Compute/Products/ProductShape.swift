/// What a product is for, in an account of where time goes.
public enum ProductKind: Int, CaseIterable, Sendable {
    /// A layer's rows by its weight, forward or back.
    case layer
    /// A layer's weight gradient.
    case weightGradient
    case attention
    /// Layers that have a row for each sample, and anything else.
    case other
}

/// What a matrix product is: C [rows, columns] = A [rows, depth] B [depth, columns], or that added to C; `batch` of them
/// may lie one behind the other. C is float32 and dense.
public struct ProductShape: Hashable, Sendable {
    /// How a matrix lies in memory. Backends are at their best where nothing lies between its rows.
    public enum Layout: Hashable, Sendable {
        /// Rows one after another, `stride` elements apart.
        case rows(stride: Int)
        /// Columns one after another: the transpose of what lies there.
        case columns(stride: Int)
        /// B only: in the layout that a product of so many rows reads (`PackedWeight`).
        case packed(rows: Int)
        /// In vectors as wide as a cache line, [vector][depth][lanes], `stride` elements from one vector's to the next's
        /// (`TileLayout`):
        /// columns of B, rows of A. Only this program's own kernels read it.
        case vectors(stride: Int)
    }

    public var batch = 1
    /// Whether it is prepared as a batch, even of one: then a matrix has the same bits in a batch of any number.
    public var isBatch: Bool
    public var rows: Int
    public var columns: Int
    public var depth: Int
    public var a: Layout
    public var b: Layout
    /// Of A and B.
    public var element: Element
    /// Elements from one row of C to the next.
    public var cStride: Int
    public var accumulates: Bool
    public var isPacked: Bool {
        if case .packed = b { return true }
        return false
    }
    public var kind: ProductKind

    public init(
        batch: Int? = nil, rows: Int, columns: Int, depth: Int, a: Layout? = nil, b: Layout? = nil,
        _ element: Element = .float32, cStride: Int? = nil, accumulates: Bool = false,
        kind: ProductKind = .other
    ) {
        let count = batch ?? 1
        precondition(count > 0 && rows > 0 && columns > 0 && depth > 0, "an empty product")
        self.batch = count
        isBatch = batch != nil
        self.rows = rows
        self.columns = columns
        self.depth = depth
        self.a = a ?? .rows(stride: depth)
        self.b = b ?? .rows(stride: columns)
        self.element = element
        self.cStride = cStride ?? columns
        self.accumulates = accumulates
        self.kind = kind
    }

    /// Floating-point operations of one run.
    public var operations: Double { 2 * Double(batch * rows) * Double(columns) * Double(depth) }
}
