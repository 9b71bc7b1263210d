import Foundation
import Model
import TestSupport
import Testing

@testable import Compute
@testable import Training

/// Sums of virtual ranks' gradients.
@Suite struct GradientSumTests {
    private static let table = ParameterTable(tinyModel { ($0.width, $0.heads) = (48, 2) })

    /// Gradients of tensors of very unlike size, and between virtual ranks.
    private func gradient(_ virtualRank: Int, table: ParameterTable = table) -> [Float] {
        var flat = [Float](repeating: 0, count: table.flatCount)
        for (index, parameter) in table.parameters.enumerated() {
            let scale = Float(pow(10, Double(index % 9) - 6)) * Float(1 + virtualRank % 3)
            let values = testNormals(
                parameter.range.count, seed: UInt64(100 * virtualRank + index), scale: scale)
            flat.replaceSubrange(parameter.range, with: values)
        }
        return flat
    }

    private func maxima(_ gradients: [[Float]], table: ParameterTable = table) -> [Float] {
        table.parameters.map { p in gradients.map { $0[p.range].map(\.magnitude).max() ?? 0 }.max() ?? 0 }
    }

    /// Grids that these gradients, times `factor`, leave behind.
    private func grids(_ gradients: [[Float]], virtualRanks: Int, factor: Float = 1) -> GradientGrids {
        var grids = GradientGrids(tensors: Self.table.parameters.count, virtualRanks: virtualRanks)
        grids.follow(maxima(gradients).map { $0 * factor })
        return grids
    }

    /// As the formula has it, value by value in double: exact, since multiples of the grid have few bits.
    private func reference(_ gradients: [[Float]], _ grids: GradientGrids) -> [Float] {
        var sum = [Double](repeating: 0, count: Self.table.flatCount)
        for (parameter, exponent) in zip(Self.table.parameters, grids.exponents) {
            let grid = Double(sign: .plus, exponent: exponent, significand: 1)
            for gradient in gradients {
                for i in parameter.range { sum[i] += (Double(gradient[i]) / grid).rounded(.toNearestOrEven) * grid }
            }
        }
        return sum.map { Float($0) }
    }

    /// A rank that adds some virtual ranks' gradients, in this order.
    private func add(
        _ order: [Int], of gradients: [[Float]], to sum: GradientSum, _ grids: GradientGrids
    ) {
        sum.begin(grids)
        for index in order {
            sum.gradient.copy(from: gradients[index])
            #expect(sum.add())
        }
    }

    private func added(_ order: [Int], of gradients: [[Float]], _ grids: GradientGrids, threads: Int = 2) throws
        -> [Float]
    {
        let sum = GradientSum(try Engine(threads: threads), Self.table, virtualRanks: gradients.count)
        add(order, of: gradients, to: sum, grids)
        return withExtendedLifetime(sum) { sum.rounded(0..<Self.table.flatCount).array }
    }

    @Test(arguments: 2...4) func everyOrderGivesTheBitsOfTheReference(_ virtualRanks: Int) throws {
        let gradients = (0..<virtualRanks).map { gradient($0) }
        let grids = grids(gradients, virtualRanks: virtualRanks)
        let wanted = reference(gradients, grids)
        let orders = permutations(virtualRanks)
        for order in orders {
            expectSameBits(try added(order, of: gradients, grids), wanted, "order \(order)")
        }
        expectSameBits(try added(orders[0], of: gradients, grids, threads: 1), wanted, "one thread")
        // These gradients tell orders apart where floats are added as they are.
        func plain(_ order: [Int]) -> [Float] {
            order.reduce([Float](repeating: 0, count: Self.table.flatCount)) { sum, index in
                zip(sum, gradients[index]).map { $0 + $1 }
            }
        }
        if virtualRanks > 2 { #expect(plain(orders[0]) != plain(Array(orders[0].reversed()))) }
    }

    private func permutations(_ count: Int) -> [[Int]] {
        guard count > 0 else { return [[]] }
        return permutations(count - 1).flatMap { rest in
            (0..<count).map { place in Array(rest[..<place]) + [count - 1] + Array(rest[place...]) }
        }
    }

    /// Each rank adds its own virtual ranks, and then the ranks' sums are added, as the exchange does.
    @Test(arguments: 1...7) func anyNumberOfRanksGivesTheSameBits(_ ranks: Int) throws {
        let gradients = (0..<7).map { gradient($0) }
        let grids = grids(gradients, virtualRanks: 7)
        let engine = try Engine(threads: 2)
        let sums = (0..<ranks).map { rank in
            let sum = GradientSum(engine, Self.table, virtualRanks: 7)
            add((0..<7).filter { $0 % ranks == rank }, of: gradients, to: sum, grids)
            return sum
        }
        // In the order that a rank in the middle meets them.
        let own = ranks / 2
        for distance in 1..<max(ranks, 1) {
            OrderFreeSum.add(engine, sums[(own + ranks - distance) % ranks].sums, to: sums[own].sums)
        }
        let whole = reference(gradients, grids)
        let largest = maxima(gradients)
        for tensor in largest.indices {
            #expect(sums.map { $0.maxima[tensor] }.max() == largest[tensor])
        }
        defer { withExtendedLifetime(sums) {} }
        // A slice alone is converted as the whole is.
        let slices = FlatSlices(count: Self.table.flatCount, ranks: 3)
        let rounded = (0..<3).flatMap { sums[own].rounded(slices[$0]).array }
        expectSameBits(rounded, whole, "\(ranks) ranks")
    }

    /// On fresh grids, and on the coarsest that still suit: float32's own rounding is all that is lost.
    @Test(arguments: [1, 2, 8, 64], [Float(1), 1024]) func sumsAreAsExactAsFloatsCanBe(
        _ virtualRanks: Int, _ factor: Float
    ) throws {
        let gradients = (0..<virtualRanks).map { gradient($0) }
        let grids = grids(gradients, virtualRanks: virtualRanks, factor: factor)
        #expect(grids.suit(maxima(gradients)))
        let sum = try added(Array(0..<virtualRanks), of: gradients, grids)
        for parameter in Self.table.parameters {
            // Sums of doubles err by 2^-53 of it.
            let exact = parameter.range.map { i in gradients.reduce(0.0) { $0 + Double($1[i]) } }
            expectClose(Array(sum[parameter.range]), exact, within: 1e-7, "\(parameter.name)")
        }
    }

    @Test func aSingleVirtualRankIsRoundedOnly() throws {
        let gradients = [gradient(0)]
        let grids = grids(gradients, virtualRanks: 1)
        expectSameBits(try added([0], of: gradients, grids), reference(gradients, grids), "one virtual rank")
        // On grids as coarse as the values, where it shows.
        let coarse = GradientGrids(bounds: grids.bounds.map { $0 + 40 }, virtualRanks: 1)
        let rounded = try added([0], of: gradients, coarse)
        expectSameBits(rounded, reference(gradients, coarse), "one virtual rank, coarsely")
        #expect(rounded != gradients[0])
        let sum = GradientSum(try Engine(threads: 1), Self.table, virtualRanks: 1)
        #expect(sum.sums.count == 0 && sum.bytes < GradientSum.bytes(Self.table, virtualRanks: 2))
    }

    @Test func theLargestMagnitudesAreThoseOfSingleGradients() throws {
        // Opposite gradients: their sum is nothing, their size is not.
        let gradients = [gradient(0), gradient(0).map { -$0 }]
        let grids = grids(gradients, virtualRanks: 2)
        let sum = GradientSum(try Engine(threads: 2), Self.table, virtualRanks: 2)
        add([0, 1], of: gradients, to: sum, grids)
        #expect(sum.maxima == maxima(gradients))
        #expect(sum.gradient.array.allSatisfy { $0 == 0 }, "the gradient should be zero for the next one")
        #expect(sum.rounded(0..<Self.table.flatCount).array.allSatisfy { $0 == 0 })
        // A new sum knows nothing of the one before, nor of what stood in its gradient.
        sum.gradient.fill(3)
        sum.begin(grids)
        #expect(sum.gradient.array.allSatisfy { $0 == 0 })
        add([0], of: [[Float](repeating: 0, count: Self.table.flatCount)], to: sum, grids)
        #expect(sum.maxima.allSatisfy { $0 == 0 })
    }

    @Test(arguments: [1, 2, 3], [Float.nan, .infinity, -.infinity]) func whatIsNotFiniteIsFoundAndGone(
        _ virtualRanks: Int, _ value: Float
    ) throws {
        let gradients = (0..<virtualRanks).map { gradient($0) }
        let grids = grids(gradients, virtualRanks: virtualRanks)
        let sum = GradientSum(try Engine(threads: 2), Self.table, virtualRanks: virtualRanks)
        defer { withExtendedLifetime(sum) {} }
        for bad in 0..<virtualRanks {
            // The last value of a tensor in the middle.
            let tensor = Self.table.parameters.count / 2
            let place = Self.table.parameters[tensor].range.upperBound - 1
            sum.begin(grids)
            for index in 0..<virtualRanks {
                sum.gradient.copy(from: gradients[index])
                if index == bad { sum.gradient[place] = value }
                #expect(sum.add() == (index != bad), "virtual rank \(index) of bad \(bad)")
            }
            for (index, largest) in sum.maxima.enumerated() { #expect(largest.isFinite == (index != tensor)) }
            // The next sum is as if this one had not been.
            add(Array(0..<virtualRanks), of: gradients, to: sum, grids)
            expectSameBits(
                sum.rounded(0..<Self.table.flatCount).array, reference(gradients, grids), "after bad \(bad)")
        }
    }
}
