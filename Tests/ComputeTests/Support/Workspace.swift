import Compute

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

/// Deterministic values in -1 ..< 1, from a generator (SplitMix64) that shares nothing with those under test.
func randomFloats(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    return (0..<count).map { _ in
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        return (Float(z >> 40) * 0x1p-23 - 1) * scale
    }
}
