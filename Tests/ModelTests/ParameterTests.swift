import Compute
import Model
import TestSupport
import Testing

@Suite("Parameters")
struct ParameterTests {
    /// Names and shapes as the reference implementation's modules, in its order, give them.
    private func published(_ c: ModelConfiguration) -> [(String, [Int])] {
        let (d, f) = (c.width, c.mlpWidth)
        func linear(_ name: String, _ inputs: Int, _ outputs: Int) -> [(String, [Int])] {
            [("\(name).weight", [outputs, inputs]), ("\(name).bias", [outputs])]
        }
        func block(_ name: String) -> [(String, [Int])] {
            linear("\(name).attn.qkv", d, 3 * d) + linear("\(name).attn.proj", d, d)
                + linear("\(name).mlp.fc1", d, f) + linear("\(name).mlp.fc2", f, d)
                + linear("\(name).adaLN_modulation.1", d, 6 * d)
        }
        var all: [(String, [Int])] = [
            ("x_embedder.proj.weight", [d, c.channels, c.patchSize, c.patchSize]), ("x_embedder.proj.bias", [d]),
        ]
        all += linear("t_embedder.mlp.0", 256, d) + linear("t_embedder.mlp.2", d, d)
        switch c.conditioning {
        case .classes: all.append(("y_embedder.embedding_table.weight", [c.classes + 1, d]))
        case .continuous: all += linear("y_embedder.embedding_projection", c.classes, d)
        case .none: break
        }
        if c.fixedPoint {
            for i in 0..<c.preDepth { all += block("blocks_pre.\(i)") }
            all += linear("block_pre_projection", d, d)
            all += linear("block_fixed_point_projection_fc1", 2 * d, 2 * d)
            all += linear("block_fixed_point_projection_fc2", 2 * d, d)
            all += block("block_fixed_point")
            for i in 0..<c.postDepth { all += block("blocks_post.\(i)") }
        } else {
            for i in 0..<c.depth { all += block("blocks.\(i)") }
        }
        all += linear("final_layer.linear", d, c.patchSize * c.patchSize * c.outputChannels)
        all += linear("final_layer.adaLN_modulation.1", d, 2 * d)
        return all
    }

    @Test("names, shapes and order are the published ones", arguments: Variant.all)
    func names(_ variant: Variant) {
        let table = ParameterTable(variant.configuration)
        let expected = published(variant.configuration)
        #expect(table.parameters.map(\.name) == expected.map(\.0))
        #expect(table.parameters.map(\.shape) == expected.map(\.1))
        #expect(table.trainableCount == expected.reduce(0) { $0 + $1.1.reduce(1, *) })
        #expect(table.parameter(named: "x_embedder.proj.bias")?.shape == [variant.configuration.width])
        #expect(table.parameter(named: "pos_embed") == nil)
    }

    @Test("ranges are aligned, in order and apart", arguments: Variant.all)
    func ranges(_ variant: Variant) {
        let table = ParameterTable(variant.configuration)
        var end = 0
        for p in table.parameters {
            #expect(p.range.lowerBound % 16 == 0 && p.range.lowerBound >= end && p.range.lowerBound < end + 16)
            #expect(p.range.count == p.shape.reduce(1, *))
            end = p.range.lowerBound + p.range.count
        }
        #expect(table.flatCount >= end && table.flatCount < end + 16 && table.flatCount % 16 == 0)
    }

    /// 18 D^2 + 15 D a block; the published count of DiT-XL/2, 675,129,632, includes the 256 x 1152 fixed positions.
    @Test("named sizes have the published numbers of parameters")
    func counts() throws {
        for (size, (depth, d, _)) in ModelConfiguration.namedSizes {
            for patch in [2, 4, 8] {
                var c = try #require(named("DiT-\(size)/\(patch)"))
                let block = 18 * d * d + 15 * d
                let ends =
                    (4 * patch * patch * d + d) + (256 * d + d + d * d + d) + 1001 * d
                    + (8 * patch * patch * (d + 1)) + (2 * d * d + 2 * d)
                #expect(ParameterTable(c).trainableCount == depth * block + ends)
                c.fixedPoint = true
                #expect(ParameterTable(c).trainableCount == 3 * block + 7 * d * d + 4 * d + ends)
            }
        }
        let c = try #require(named("DiT-XL/2"))
        #expect(ParameterTable(c).trainableCount + 256 * 1152 == 675_129_632)
        #expect(c.tokens == 256 && c.problems.isEmpty)
    }

    @Test("names of sizes")
    func sizes() throws {
        let c = try #require(named("FPDM-S/4"))
        #expect(c.width == 384 && c.patchSize == 4 && c.depth == 12 && c.heads == 6)
        for wrong in ["DiT-XL", "DiT-M/2", "DiT-S/3", "S/2", "DiT-S/2/2", "", "DiT-S/x"] {
            #expect(named(wrong) == nil, "\(wrong)")
        }
    }

    /// nil where there is no such name; then nothing may have changed.
    private func named(_ name: String) -> ModelConfiguration? {
        var c = ModelConfiguration()
        if c.apply(named: name) { return c }
        #expect(c == ModelConfiguration())
        return nil
    }

    @Test("initialisation: zeros, deviations and bounds", arguments: [false, true])
    func initialization(_ fixedPoint: Bool) throws {
        var c = ModelConfiguration()
        (c.width, c.depth, c.heads, c.classes, c.fixedPoint) = (96, 2, 4, 200, fixedPoint)
        let table = ParameterTable(c)
        let (arena, weights) = Arena.build("weights") { $0.take(table.flatCount) }
        try withExtendedLifetime(arena) {
            weights.fill(.nan)
            table.initialize(weights, seed: 5, purpose: 1)
            #expect(weights.array.allSatisfy { $0.isFinite })
            for p in table.parameters {
                let values = weights[p.range].array.map(Double.init)
                let count = Double(values.count)
                let mean = values.reduce(0, +) / count
                let deviation = (values.reduce(0) { $0 + $1 * $1 } / count).squareRoot()
                let zero =
                    p.name.hasSuffix(".bias") || p.name.contains("adaLN_modulation")
                    || p.name == "final_layer.linear.weight"
                if zero {
                    #expect(values.allSatisfy { $0 == 0 }, "\(p.name)")
                    continue
                }
                let normal = p.name.hasPrefix("t_embedder") || p.name.hasPrefix("y_embedder")
                // Xavier's bound sees a convolution's weight flattened to [D, C P P].
                let bound = (6 / Double(p.shape[0] + p.range.count / p.shape[0])).squareRoot()
                let expected = normal ? 0.02 : bound / 3.0.squareRoot()
                #expect(abs(mean) < 5 * expected / count.squareRoot(), "\(p.name)")
                #expect(abs(deviation / expected - 1) < 5 / (2 * count).squareRoot(), "\(p.name)")
                if !normal {
                    #expect(values.allSatisfy { abs($0) <= bound * (1 + 1e-6) }, "\(p.name)")
                    #expect((values.max() ?? 0) > 0.95 * bound, "\(p.name)")
                }
            }
            // Two tensors of one shape, and two seeds, draw different values; one seed the same.
            let name = fixedPoint ? "blocks_pre.0" : "blocks.0"
            let other = fixedPoint ? "blocks_post.0" : "blocks.1"
            let a = try #require(table.parameter(named: "\(name).attn.qkv.weight"))
            let b = try #require(table.parameter(named: "\(other).attn.qkv.weight"))
            #expect(weights[a.range].array != weights[b.range].array)
            let before = weights.array
            table.initialize(weights, seed: 5, purpose: 1)
            #expect(weights.array == before)
            table.initialize(weights, seed: 6, purpose: 1)
            #expect(weights[a.range].array != Array(before[a.range]))
        }
    }

    @Test("impossible networks are refused by field")
    func problems() {
        func fields(_ change: (inout ModelConfiguration) -> Void) -> [String] {
            var c = ModelConfiguration()
            change(&c)
            return c.problems.map(\.field)
        }
        #expect(fields { _ in } == [])
        #expect(
            fields {
                $0.width = 10
                $0.heads = 5
            } == ["width"])
        #expect(fields { $0.heads = 7 } == ["heads"])
        #expect(fields { $0.patchSize = 3 } == ["patchSize"])
        #expect(fields { $0.classes = 0 } == ["classes"])
        #expect(
            fields {
                $0.classes = 0
                $0.conditioning = .none
            } == [])
        #expect(fields { $0.depth = 0 } == ["depth"])
        #expect(
            fields {
                $0.depth = 0
                $0.fixedPoint = true
                $0.preDepth = 0
            } == [])
        #expect(
            fields {
                $0.fixedPoint = true
                $0.preDepth = -1
                $0.postDepth = -1
            } == ["preDepth", "postDepth"])
        #expect(
            fields {
                $0.imageSize = 0
                $0.width = 0
                $0.heads = 0
            }.contains("imageSize"))
        #expect(fields { $0.mlpRatio = -1 } == ["mlpRatio"])
    }
}
