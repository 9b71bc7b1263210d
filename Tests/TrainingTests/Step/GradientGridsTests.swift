import Foundation
import Testing

@testable import Training

/// The grids that gradients are rounded to.
@Suite struct GradientGridsTests {
    @Test(arguments: [(1, 2), (2, 2), (4, 2), (5, 3), (8, 3), (9, 4), (4096, 12)])
    func gridsLeaveRoomForTheSum(_ virtualRanks: Int, _ bits: Int) {
        var grids = GradientGrids(tensors: 3, virtualRanks: virtualRanks)
        #expect(grids.exponents == [-149, -149, -149])
        grids.follow([1, 0, 3])
        // 2^(0 + 8) and 2^(2 + 8); a gradient of nothing keeps its grid.
        #expect(grids.exponents == [8 + bits - 53, -149, 10 + bits - 53])
        #expect(grids.bounds[0] == 8 && grids.bounds[2] == 10)
        // The sum of V values at the bound fits 53 bits of the grid.
        let most = Double(virtualRanks) * pow(2, 8)
        #expect(most / pow(2, Double(grids.exponents[0])) <= pow(2, 53))
    }

    @Test func aStepIsRedoneBeyondTheBoundAndFarBelowIt() {
        var grids = GradientGrids(tensors: 1, virtualRanks: 8)
        // At first nothing but the smallest numbers suits.
        #expect(!grids.suit([1e-20]) && grids.suit([0]) && grids.suit([0x1p-133]))
        grids.follow([1])
        for (largest, suits) in [
            (Float(256), true), (256.001, false), (1, true), (0x1p-11, true), (0x1.8p-12, true), (0x1p-12, false),
            (1e-30, false), (0, true),
        ] {
            #expect(grids.suit([largest]) == suits, "\(largest)")
        }
        // The grids of the step's own values suit them, whatever they are.
        for exponent in stride(from: -149, through: 127, by: 3) {
            let value = Float(sign: .plus, exponent: exponent, significand: 1)
            grids.follow([value])
            #expect(grids.suit([value]), "2^\(exponent)")
        }
    }

    @Test func recordedBoundsServeAnotherNumberOfVirtualRanks() {
        var grids = GradientGrids(tensors: 2, virtualRanks: 8)
        grids.follow([0.5, 0])
        let same = GradientGrids(bounds: grids.bounds, virtualRanks: 8)
        #expect(same == grids)
        let more = GradientGrids(bounds: grids.bounds, virtualRanks: 64)
        #expect(more.exponents[0] == grids.exponents[0] + 3)
        // What nothing is known of keeps its bound too.
        #expect(more.bounds == grids.bounds && more.exponents[1] == -146)
    }
}
