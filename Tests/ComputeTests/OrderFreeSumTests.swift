import Foundation
import TestSupport
import Testing

@testable import Compute

/// Sums that are the same bits in any order.
@Suite struct OrderFreeSumTests {
    /// Two tensors with a gap of padding, longer than a stretch and no multiple of a vector.
    private static let ranges = [0..<40_003, 40_016..<40_117]
    private static let count = 40_128

    /// Numbers of very unlike size: float32 sums of them depend on their order.
    private func gradient(_ seed: UInt64) -> [Float] {
        let sizes = randomFloats(Self.count, seed: seed + 1000)
        var values = zip(randomFloats(Self.count, seed: seed), sizes).map { $0 * ($1 > 0 ? 1 : 3e5) }
        for i in 40_003..<40_016 { values[i] = 0 }
        for i in 40_117..<Self.count { values[i] = 0 }
        return values
    }

    private func tensors(_ exponents: [Int]) -> [OrderFreeSum.Tensor] {
        zip(Self.ranges, exponents).map { OrderFreeSum.Tensor(range: $0, exponent: $1) }
    }

    private func sum(
        _ order: [Int], exponents: [Int], threads: Int = 2
    ) throws -> (sum: [Double], maxima: [Float], left: [Float]) {
        let engine = try Engine(threads: threads)
        let stretches = OrderFreeSum.stretches(of: Self.ranges)
        let (arena, (g, s)) = Arena.build("test") { ($0.take(Self.count), $0.takeDoubles(Self.count)) }
        defer { withExtendedLifetime(arena) {} }
        s.fill(.nan)
        for i in 0..<Self.count where !Self.ranges.contains(where: { $0.contains(i) }) { s[i] = 0 }
        var maxima = [Float](repeating: -1, count: stretches.count)
        var largest = [Float](repeating: 0, count: stretches.count)
        for (index, seed) in order.enumerated() {
            g.copy(from: gradient(UInt64(seed)))
            maxima.withUnsafeMutableBufferPointer {
                OrderFreeSum.add(
                    engine, g, to: s, isFirst: index == 0, tensors: tensors(exponents), stretches: stretches,
                    maxima: $0)
            }
            largest = zip(largest, maxima).map { max($0, $1) }
        }
        return (s.array, largest, g.array)
    }

    @Test func everyOrderGivesTheSameBits() throws {
        let exponents = [-30, -28]
        let orders = [[0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0], [3, 0, 6, 1, 5, 2, 4]]
        let sums = try orders.map { try sum($0, exponents: exponents).sum.map(\.bitPattern) }
        #expect(sums[0] == sums[1] && sums[0] == sums[2])
        #expect(try sum(orders[1], exponents: exponents, threads: 1).sum.map(\.bitPattern) == sums[0])
        // The values tell orders apart where they are added as they are.
        func plain(_ order: [Int]) -> [Float] {
            order.map { gradient(UInt64($0)) }.reduce([Float](repeating: 0, count: Self.count)) {
                zip($0, $1).map { $0 + $1 }
            }
        }
        #expect(plain(orders[0]).map(\.bitPattern) != plain(orders[1]).map(\.bitPattern))
    }

    @Test func valuesAreRoundedToTheGrid() throws {
        let exponents = [-10, -3]
        let found = try sum([0, 1], exponents: exponents)
        for (range, exponent) in zip(Self.ranges, exponents) {
            let grid = pow(2, Double(exponent))
            for i in stride(from: range.lowerBound, to: range.upperBound, by: 7) {
                let wanted = [0, 1].reduce(0.0) { sum, seed in
                    sum + (Double(gradient(seed)[i]) / grid).rounded(.toNearestOrEven) * grid
                }
                #expect(found.sum[i] == wanted, "value \(i)")
                if found.sum[i] != wanted { return }
            }
        }
    }

    @Test func theFinestGridHoldsEveryFloat() throws {
        let found = try sum([2], exponents: [-149, -149])
        let wanted = gradient(2)
        // One value alone is exact whatever its size: far above M, adding it changes nothing.
        #expect(Self.ranges.allSatisfy { range in range.allSatisfy { found.sum[$0] == Double(wanted[$0]) } })
        let engine = try Engine(threads: 1)
        let (arena, (g, s)) = Arena.build("test") { ($0.take(64), $0.takeDoubles(64)) }
        defer { withExtendedLifetime(arena) {} }
        let small = (0..<64).map { Float(bitPattern: UInt32($0 * 0x0008_1234 + 1)) }
        #expect(small.allSatisfy { $0 <= Float(sign: .plus, exponent: -98, significand: 1) })
        g.copy(from: small)
        var maxima: [Float] = [0]
        maxima.withUnsafeMutableBufferPointer {
            OrderFreeSum.add(
                engine, g, to: s, isFirst: true, tensors: [.init(range: 0..<64, exponent: -149)],
                stretches: OrderFreeSum.stretches(of: [0..<64]), maxima: $0)
        }
        // Tasks compute without subnormal numbers.
        #expect(small.contains { $0.isSubnormal } && !small.allSatisfy { $0.isSubnormal })
        #expect(s.array == small.map { $0.isSubnormal ? 0 : Double($0) } && maxima == [small[63]])
    }

    @Test func gradientsAreZeroedAndTheirLargestFound() throws {
        let found = try sum([4], exponents: [-30, -30])
        #expect(found.left.allSatisfy { $0 == 0 })
        let values = gradient(4)
        let stretches = OrderFreeSum.stretches(of: Self.ranges)
        #expect(found.maxima == stretches.map { values[$0.range].map(\.magnitude).max() ?? 0 })
    }

    @Test(arguments: [Float.nan, -.nan, .infinity, -.infinity]) func whatIsNotFiniteShows(_ value: Float) throws {
        var values = [Float](repeating: 1, count: 37)
        values[36] = value
        values.withUnsafeBufferPointer { values in
            guard let base = values.baseAddress else { return }
            #expect(OrderFreeSum.largestMagnitude(base, 37) == .infinity)
            #expect(OrderFreeSum.largestMagnitude(base, 36) == 1)
        }
    }

    @Test func aSingleGradientIsRoundedInPlace() throws {
        let engine = try Engine(threads: 2)
        let (arena, g) = Arena.build("test") { $0.take(Self.count) }
        defer { withExtendedLifetime(arena) {} }
        g.copy(from: gradient(5))
        let stretches = OrderFreeSum.stretches(of: Self.ranges)
        var maxima = [Float](repeating: 0, count: stretches.count)
        maxima.withUnsafeMutableBufferPointer {
            OrderFreeSum.round(engine, g, tensors: tensors([-12, -30]), stretches: stretches, maxima: $0)
        }
        let doubled = try sum([5], exponents: [-12, -30]).sum
        #expect(g.array == doubled.map { Float($0) })
        // Nothing is lost by float32: the rounded values have fewer bits than the gradient had.
        #expect(g.array.map(Double.init) == doubled)
    }
}
