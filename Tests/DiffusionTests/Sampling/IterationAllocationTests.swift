import Diffusion
import Testing

@Suite struct IterationAllocationTests {
    /// Values of the reference.
    @Test func matchesReference() throws {
        #expect(
            try IterationAllocation.budget(total: 520, steps: 20, kind: .increasing) == [
                14, 15, 17, 18, 19, 21, 22, 23, 25, 26, 26, 27, 29, 30, 31, 33, 34, 35, 37, 38,
            ])
        #expect(
            try IterationAllocation.budget(total: 520, steps: 20, kind: .decreasing) == [
                39, 38, 36, 35, 34, 32, 31, 30, 28, 27, 25, 24, 22, 21, 20, 18, 17, 16, 14, 13,
            ])
        #expect(
            try IterationAllocation.budget(total: 480, steps: 40, kind: .increasing) == [
                7, 7, 8, 8, 8, 8, 9, 9, 9, 10, 10, 10, 10, 11, 11, 11, 12, 12, 12, 12, 12, 12, 12, 12, 13, 13, 13, 14,
                14, 14, 14, 15, 15, 15, 16, 16, 16, 16, 17, 17,
            ])
        #expect(
            try IterationAllocation.budget(total: 480, steps: 40, kind: .decreasing) == [
                18, 18, 17, 17, 17, 17, 16, 16, 16, 15, 15, 15, 15, 14, 14, 14, 13, 13, 13, 13, 11, 11, 11, 11, 10, 10,
                10, 9, 9, 9, 9, 8, 8, 8, 7, 7, 7, 7, 6, 6,
            ])
        #expect(try IterationAllocation.budget(total: 100, steps: 7, kind: .increasing) == [8, 10, 13, 14, 16, 18, 20])
        #expect(try IterationAllocation.budget(total: 100, steps: 7, kind: .decreasing) == [21, 19, 17, 14, 12, 9, 7])
        #expect(try IterationAllocation.budget(total: 100, steps: 7, kind: .constant) == [15, 15, 14, 14, 14, 14, 14])
        // Exact shares 3 and 7 at the ends.
        #expect(try IterationAllocation.budget(total: 40, steps: 8, kind: .increasing) == [3, 4, 5, 5, 5, 5, 6, 7])
        #expect(try IterationAllocation.budget(total: 480, steps: 40, kind: .constant).allSatisfy { $0 == 12 })
    }

    /// Shares that are whole but for their last bit, as PyTorch decides them.
    @Test func wholeSharesFallAsInTheReference() throws {
        #expect(
            try IterationAllocation.budget(total: 70, steps: 10, kind: .increasing) == [4, 5, 6, 6, 7, 7, 7, 8, 9, 10])
        #expect(
            try IterationAllocation.budget(total: 100, steps: 20, kind: .increasing) == [
                3, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 7,
            ])
        #expect(
            try IterationAllocation.budget(total: 175, steps: 25, kind: .decreasing) == [
                10, 10, 10, 10, 9, 9, 9, 9, 8, 8, 8, 8, 7, 6, 6, 6, 5, 5, 5, 5, 5, 4, 4, 4, 4,
            ])
    }

    @Test func sumsAndOrder() throws {
        for steps in [1, 2, 3, 7, 20, 50, 250] {
            for total in [steps, steps + 1, 2 * steps, 13 * steps + 5, 26 * steps] {
                for kind in IterationAllocation.allCases {
                    let budget = try IterationAllocation.budget(total: total, steps: steps, kind: kind)
                    let sum = budget.reduce(0, +)
                    #expect(budget.count == steps && budget.allSatisfy { $0 >= 1 })
                    // Rounding leaves less than one iteration a step unspent.
                    #expect(sum <= total && sum > total - steps)
                    guard kind == .increasing else { continue }
                    // Rounding up ends halfway, so that a step may fall by one there, and nowhere else.
                    let falls = zip(budget, budget.dropFirst()).filter { $0 > $1 }
                    #expect(falls.count <= 1 && falls.allSatisfy { $0 - $1 == 1 })
                }
            }
        }
    }

    @Test func increasingSpendsMoreNearTheEnd() throws {
        let budget = try IterationAllocation.budget(total: 260, steps: 20, kind: .increasing)
        #expect(budget[..<10].reduce(0, +) < budget[10...].reduce(0, +))
    }

    @Test func tooFewAreRefused() {
        #expect(throws: DiffusionError.self) { try IterationAllocation.budget(total: 19, steps: 20, kind: .constant) }
        #expect(throws: DiffusionError.self) { try IterationAllocation.budget(total: 5, steps: 0, kind: .constant) }
    }

    @Test func limitsAreThoseThatAreKept() throws {
        let limit = IterationAllocation.iterationsLimit
        for kind in IterationAllocation.allCases {
            for mean in [limit.lowerBound, limit.upperBound] {
                #expect(try IterationAllocation.budget(total: 3 * mean, steps: 3, kind: kind).reduce(0, +) == 3 * mean)
            }
            for total in [3 * limit.lowerBound - 1, 3 * limit.upperBound + 1, .min, .max] {
                #expect(throws: DiffusionError.self) {
                    try IterationAllocation.budget(total: total, steps: 3, kind: kind)
                }
            }
            #expect(throws: DiffusionError.self) {
                try IterationAllocation.budget(total: .max, steps: .max, kind: kind)
            }
        }
    }
}
