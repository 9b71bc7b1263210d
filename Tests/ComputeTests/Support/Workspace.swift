import Compute
import TestSupport
import Testing

/// Memory for one test: everything starts as NaN, so that reading what was never written shows, and what lies behind a
/// buffer must stay so.
final class Workspace {
    private var blocks: [UnsafeMutableBufferPointer<UInt32>] = []
    /// Where each block's guard starts, in bytes.
    private var guards: [Int] = []

    /// NaN as a float, and twice as bfloat16.
    private static let unwritten: UInt32 = 0x7FC1_7FC1
    private static let guardWords = 32

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// Memory that is NaN in either element type.
    private func take(bytes: Int) -> UnsafeMutableRawPointer {
        let block = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: (bytes + 3) / 4 + Self.guardWords)
        block.initialize(repeating: Self.unwritten)
        blocks.append(block)
        guards.append(bytes)
        return UnsafeMutableRawPointer(block.baseAddress!)
    }

    /// `count` floats, NaN.
    func empty(_ count: Int) -> FloatBuffer {
        FloatBuffer(take(bytes: 4 * count).bindMemory(to: Float.self, capacity: max(count, 1)), count: count)
    }

    /// `values`, then NaN up to `count`.
    func buffer(_ values: [Float], count: Int? = nil) -> FloatBuffer {
        let buffer = empty(count ?? values.count)
        buffer.copy(from: values)
        return buffer
    }

    /// A matrix of NaN.
    func matrix(rows: Int, columns: Int, _ element: Element = .float32, stride: Int? = nil) -> Matrix {
        let bytes = rows == 0 ? 0 : ((rows - 1) * (stride ?? columns) + columns) * element.bytes
        return Matrix(take(bytes: bytes), element, columns: columns, stride: stride)
    }

    /// A matrix of values, rounded to its element type; what lies between its rows is NaN.
    func matrix(_ values: [Float], columns: Int, _ element: Element = .float32, stride: Int? = nil) -> Matrix {
        let matrix = matrix(rows: values.count / columns, columns: columns, element, stride: stride)
        for (index, value) in values.enumerated() { matrix.set(index / columns, index % columns, value) }
        return matrix
    }

    /// Whether nothing was written behind the end of any buffer.
    func expectGuardsIntact(sourceLocation: SourceLocation = #_sourceLocation) {
        for (block, start) in zip(blocks, guards) {
            let bytes = UnsafeRawBufferPointer(block)
            let pattern = [UInt8](repeating: 0, count: 4).indices.map { UInt8(Self.unwritten >> (8 * $0) & 0xFF) }
            let intact = (start..<bytes.count).allSatisfy { bytes[$0] == pattern[$0 % 4] }
            #expect(intact, "written behind the end", sourceLocation: sourceLocation)
        }
    }
}

/// Runs `body` with a workspace that lives as long as it, and looks for writes past its buffers.
func withWorkspace<Value>(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: (Workspace) throws -> Value
) rethrows -> Value {
    let workspace = Workspace()
    defer { workspace.expectGuardsIntact(sourceLocation: sourceLocation) }
    return try withExtendedLifetime(workspace) { try body(workspace) }
}

extension Matrix {
    func set(_ row: Int, _ column: Int, _ value: Float) {
        switch element {
        case .float32: self.row(row).assumingMemoryBound(to: Float.self)[column] = value
        case .bfloat16: self.row(row).assumingMemoryBound(to: UInt16.self)[column] = BFloat16.bits(value)
        }
    }

    func value(_ row: Int, _ column: Int) -> Float {
        switch element {
        case .float32: self.row(row).assumingMemoryBound(to: Float.self)[column]
        case .bfloat16: BFloat16.value(self.row(row).assumingMemoryBound(to: UInt16.self)[column])
        }
    }

    /// The first rows, as floats.
    func array(rows: Int) -> [Float] { (0..<rows).flatMap { row in (0..<columns).map { value(row, $0) } } }

    /// What lies between the rows is as it was.
    func isUntouchedBetween(rows: Int) -> Bool {
        let wide = Matrix(base, element, columns: stride)
        return (0..<max(rows - 1, 0)).allSatisfy { row in (columns..<stride).allSatisfy { wide.value(row, $0).isNaN } }
    }
}
