import Model
import TestSupport
import Testing

@testable import Evaluation

@Suite("Comparison")
struct ComparisonTests {
    private func of(_ actual: [Double], _ expected: [Double], _ tolerance: Double = 1e-3) -> Comparison {
        .of("q", actual, expected, tolerance)
    }

    @Test("relative: the norm of the difference over that of what is expected")
    func relative() {
        let comparison = of([3, 4.5], [3, 4])
        #expect(comparison.measure == .relative && comparison.error == 0.1 && !comparison.passes)
        #expect(of([3, 4.5], [3, 4], 0.1).passes && of([3, 4], [3, 4], 0).passes)
        #expect(Comparison.of("q", [Float(6), 8], [Float(3), 4], 0.5).error == 1)
    }

    @Test("absolute where all that is expected is zero")
    func zeros() {
        let comparison = of([1e-4, -5e-4], [0, 0])
        #expect(comparison.measure == .absolute && comparison.error == 5e-4 && comparison.passes)
        #expect(!of([0, 2e-3], [0, 0]).passes && of([0], [0], 0).passes)
    }

    @Test("absolute: the largest difference, either way")
    func absolute() {
        #expect(Comparison.absolute("q", [1, 2, 3], [1.5, 2, 2], 0).error == 1)
        #expect(Comparison.absolute("q", [1, 2, 3], [3, 2, 2.5], 0).error == 2)
    }

    @Test("a NaN fails, wherever it is")
    func notANumber() {
        for (actual, expected) in [([1, .nan], [1, 2]), ([1, 2], [.nan, 2]), ([.nan], [.nan]), ([.nan], [0])]
            as [([Double], [Double])]
        {
            #expect(!of(actual, expected, 1e9).passes)
            #expect(!Comparison.absolute("q", actual, expected, 1e9).passes)
        }
        // One that is followed by larger differences, too.
        #expect(!Comparison.absolute("q", [.nan, 5], [0, 0], 1e9).passes)
        #expect(!of([.nan, 5], [0, 0], 1e9).passes)
        #expect(!Comparison(quantity: "q", measure: .relative, error: .nan, tolerance: .infinity).passes)
    }

    @Test("equal infinities differ by nothing, unlike ones by everything")
    func infinities() {
        #expect(of([-.infinity, 2], [-.infinity, 2], 0).passes)
        #expect(of([.infinity], [.infinity], 0).passes)
        for (actual, expected) in [
            ([-.infinity, 2], [.infinity, 2]), ([1, 2], [.infinity, 2]), ([.infinity, 2], [1, 2]),
        ]
            as [([Double], [Double])]
        {
            #expect(!of(actual, expected, 1e9).passes)
        }
        // The rest is still looked at.
        #expect(!of([.infinity, 2.1], [.infinity, 2]).passes)
    }

    @Test("another length fails")
    func lengths() {
        for (actual, expected) in [([1], [1, 2]), ([1, 2, 3], [1, 2]), ([], [1]), ([0], []), ([0, 0], [0])]
            as [([Double], [Double])]
        {
            #expect(!of(actual, expected, 1e9).passes)
            #expect(!Comparison.absolute("q", actual, expected, 1e9).passes)
        }
        #expect(!Comparison.of("q", [Float(1)], [Float(1), 1], 1e9).passes)
    }

    @Test("the key third of an attention's bias is judged absolutely, and apart")
    func keyBias() throws {
        let table = ParameterTable(tinyModel { $0.fixedPoint = true })
        let bias = try #require(table.parameter(named: "block_fixed_point.attn.qkv.bias"))
        let third = bias.range.count / 3
        let tolerance = Tolerance(.float32)
        var expected = testNormals(bias.range.count, seed: 1)
        for i in third..<2 * third { expected[i] = 1e-9 }
        func compare(_ change: (inout [Float]) -> Void) -> [Comparison] {
            withMemory { memory in
                let flat = memory.zeros(table.flatCount)
                var actual = expected
                change(&actual)
                flat[bias.range].copy(from: actual)
                return Comparison.ofTensor("gradients", bias, flat, expected, tolerance.gradient)
            }
        }
        // Rounding: as large as the expected values themselves, and no fault.
        let rounding = compare { for i in third..<2 * third { $0[i] = -3e-7 } }
        #expect(rounding.count == 2 && rounding.allSatisfy(\.passes))
        #expect(rounding[0].quantity == "gradients/\(bias.name)" && rounding[0].error == 0)
        #expect(rounding[1].quantity.hasSuffix("[key]") && rounding[1].measure == .absolute)
        #expect(rounding[1].error > 2e-7)
        #expect(compare { $0[third] = 0.01 }.map(\.passes) == [true, false])
        for place in [0, third - 1, 2 * third, 3 * third - 1] {
            #expect(compare { $0[place] += 0.01 }.map(\.passes) == [false, true])
        }
        // Any other tensor is judged as one.
        let weight = try #require(table.parameter(named: "block_fixed_point.attn.qkv.weight"))
        withMemory { memory in
            let flat = memory.zeros(table.flatCount)
            let zeros = [Float](repeating: 0, count: weight.range.count)
            #expect(Comparison.ofTensor("weights", weight, flat, zeros, tolerance.trained).count == 1)
            #expect(!Comparison.ofTensor("weights", weight, flat, [], 1e9).contains { $0.passes })
            #expect(!Comparison.ofTensor("gradients", bias, flat, [1], 1e9).contains { $0.passes })
        }
    }
}
