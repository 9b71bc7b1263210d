import Compute
import TestSupport

/// Memory for one test: every buffer starts as NaN, so that reading what was never written shows.
final class Workspace {
    private var blocks: [UnsafeMutablePointer<Float>] = []

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// `count` floats, NaN.
    func empty(_ count: Int) -> FloatBuffer {
        let block = UnsafeMutablePointer<Float>.allocate(capacity: max(count, 1))
        block.initialize(repeating: .nan, count: max(count, 1))
        blocks.append(block)
        return FloatBuffer(block, count: count)
    }

    /// `values`, then NaN up to `count`.
    func buffer(_ values: [Float], count: Int? = nil) -> FloatBuffer {
        let buffer = empty(count ?? values.count)
        buffer.copy(from: values)
        return buffer
    }
}

/// Runs `body` with a workspace that lives as long as it.
func withWorkspace<Value>(_ body: (Workspace) throws -> Value) rethrows -> Value {
    let workspace = Workspace()
    return try withExtendedLifetime(workspace) { try body(workspace) }
}
