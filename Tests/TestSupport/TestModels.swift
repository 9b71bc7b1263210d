import Compute
import Model

/// Standard normal values that depend on `seed` alone, of a purpose that the program has no use for.
public func testNormals(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
    RandomStream(seed: seed, purpose: 250).normals(count).map { $0 * scale }
}

/// Weights under which every parameter matters: a fresh network's output is 0 whatever its input.
public func testWeights(_ table: ParameterTable) -> [Float] {
    var flat = [Float](repeating: 0, count: table.flatCount)
    for (i, p) in table.parameters.enumerated() {
        let scale = p.shape.count > 1 ? 1 / Float(p.range.count / p.shape[0]).squareRoot() : 0.2
        flat.replaceSubrange(p.range, with: testNormals(p.range.count, seed: UInt64(1000 + i), scale: scale))
    }
    return flat
}

/// A small DiT, or what `change` makes of it.
public func tinyModel(_ change: (inout ModelConfiguration) -> Void = { _ in }) -> ModelConfiguration {
    var c = ModelConfiguration()
    (c.imageSize, c.channels, c.patchSize, c.width, c.depth, c.heads, c.mlpRatio) = (4, 2, 2, 8, 2, 2, 3)
    c.classes = 3
    change(&c)
    return c
}

/// Deterministic values in -1 ..< 1, from a generator (SplitMix64) of the tests' own.
public func randomFloats(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
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
