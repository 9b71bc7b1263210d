import Compute

/// Memory for a test's buffers; they are valid inside `withMemory` only.
public final class TestMemory {
    private var arenas: [Arena] = []

    public init() {}

    public func zeros(_ count: Int) -> FloatBuffer {
        let (arena, buffer) = Arena.build("test") { $0.take(count) }
        arenas.append(arena)
        return buffer
    }

    public func floats(_ values: [Float]) -> FloatBuffer {
        let buffer = zeros(values.count)
        buffer.copy(from: values)
        return buffer
    }
}

/// Keeps the memory until `body` has ended: buffers hold on to nothing.
public func withMemory<Result>(_ body: (TestMemory) throws -> Result) rethrows -> Result {
    let memory = TestMemory()
    return try withExtendedLifetime(memory) { try body(memory) }
}
