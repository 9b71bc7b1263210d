import Compute
import Diffusion
import Model

@testable import Training

/// Memory for a test's buffers; they are valid inside `withMemory` only.
final class TestMemory {
    private var arenas: [Arena] = []

    func zeros(_ count: Int) -> FloatBuffer {
        let (arena, buffer) = Arena.build("test") { $0.take(count) }
        arenas.append(arena)
        return buffer
    }

    func floats(_ values: [Float]) -> FloatBuffer {
        let buffer = zeros(values.count)
        buffer.copy(from: values)
        return buffer
    }
}

/// Keeps the memory until `body` has ended: buffers hold on to nothing.
func withMemory<Result>(_ body: (TestMemory) throws -> Result) rethrows -> Result {
    let memory = TestMemory()
    return try withExtendedLifetime(memory) { try body(memory) }
}

/// Standard normal values that depend on `seed` alone, of a purpose that training has no use for.
func testNormals(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
    RandomStream(seed: seed, purpose: 250).normals(count).map { $0 * scale }
}

/// Weights under which every parameter matters: a fresh network's output is 0 whatever its input.
func testWeights(_ table: ParameterTable) -> [Float] {
    var flat = [Float](repeating: 0, count: table.flatCount)
    for (i, p) in table.parameters.enumerated() {
        let scale = p.shape.count > 1 ? 1 / Float(p.slot.count / p.shape[0]).squareRoot() : 0.2
        flat.replaceSubrange(
            p.slot.offset..<p.slot.offset + p.slot.count,
            with: testNormals(p.slot.count, seed: UInt64(1000 + i), scale: scale))
    }
    return flat
}

func tinyModel(_ change: (inout ModelConfiguration) -> Void = { _ in }) -> ModelConfiguration {
    var c = ModelConfiguration()
    (c.imageSize, c.channels, c.patchSize, c.width, c.depth, c.heads, c.mlpRatio) = (4, 2, 2, 8, 2, 2, 3)
    c.classes = 3
    change(&c)
    return c
}
