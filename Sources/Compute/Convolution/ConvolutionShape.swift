/// What a convolution of one tile of an image is. Pixels hold their channels side by side:
/// output [rows, columns, outputs] from input [inputRows, inputColumns, inputs], float32 from `element`s.
struct ConvolutionShape: Hashable, Sendable {
    let inputs: Int
    let outputs: Int
    /// Of each side of its window.
    let kernel: Int
    /// Pixels of the input from one window to the next, both ways.
    let stride: Int
    /// Of the output.
    let rows: Int
    let columns: Int
    let element: Element

    /// All of the input that the tile's windows see; what lies outside of an image the caller has filled with zeros.
    var inputRows: Int { (rows - 1) * stride + kernel }
    var inputColumns: Int { (columns - 1) * stride + kernel }
    var inputBytes: Int { inputRows * inputColumns * inputs * element.bytes }
    var outputValues: Int { rows * columns * outputs }
    /// Values that one output pixel sees.
    var depth: Int { kernel * kernel * inputs }
    var operations: Double { 2 * Double(rows * columns) * Double(outputs) * Double(depth) }
}

/// How an image's pixels are cut into tiles, by its sides alone: nearly equal ones, the last of which may reach beyond it.
struct Tiling: Equatable, Sendable {
    let rows: Int
    let columns: Int
    let down: Int
    let across: Int

    /// A tile's input stays in the second-level cache, and its weights are read once for 256 pixels.
    private static let mostRows = 8, mostColumns = 32

    init(height: Int, width: Int) {
        precondition(height > 0 && width > 0, "an image without pixels")
        down = (height + Self.mostRows - 1) / Self.mostRows
        across = (width + Self.mostColumns - 1) / Self.mostColumns
        rows = (height + down - 1) / down
        columns = (width + across - 1) / across
    }

    var count: Int { down * across }
}
