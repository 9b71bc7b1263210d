import Compute
import TestSupport
import Testing

@testable import Training

@Suite("Tree of gradient sums")
struct StepGradientTreeTests {
    /// Over one thread's share of work, and no multiple of a vector.
    private static let count = 20_011

    /// Shard gradients whose sum depends on the order of additions: numbers of very unlike size.
    private func shards(_ number: Int, seed: UInt64) -> [[Float]] {
        (0..<number).map { shard in
            let values = testNormals(Self.count, seed: seed * 100 + UInt64(shard))
            let sizes = testNormals(Self.count, seed: seed * 100 + 50 + UInt64(shard))
            return zip(values, sizes).map { $0 * ($1 > 0 ? 1 : 3e5) }
        }
    }

    /// The tree as it is defined: halves first.
    private func tree(_ shards: ArraySlice<[Float]>) -> [Float] {
        guard shards.count > 1 else { return shards.first ?? [] }
        let middle = shards.startIndex + shards.count / 2
        return zip(tree(shards[..<middle]), tree(shards[middle...])).map { $0 + $1 }
    }

    /// Equal as bits. Not compared in the expectations themselves, which would print long vectors' differences.
    private func same(_ a: [Float], _ b: [Float]) -> Bool { a.map(\.bitPattern) == b.map(\.bitPattern) }

    private func sum(_ tree: GradientTree, _ shards: [[Float]]) -> [Float] {
        for shard in shards {
            let buffer = tree.nextBuffer()
            // What a backward pass does: it adds.
            for i in 0..<buffer.count { buffer[i] += shard[i] }
            tree.add()
        }
        return withExtendedLifetime(tree) { tree.finish().array }
    }

    @Test("the order of additions is the binary tree's, to the bit", arguments: [1, 2, 4, 8, 16])
    func order(_ number: Int) throws {
        let engine = try Engine(threads: 2)
        let sums = GradientTree(engine, shards: number, count: Self.count)
        // The tree serves step after step.
        for step in 0..<3 {
            let shards = shards(number, seed: UInt64(step + 1))
            let actual = sum(sums, shards)
            #expect(same(actual, tree(shards[...])), "step \(step)")
            guard number > 2 else { continue }
            let oneByOne = shards.dropFirst().reduce(shards[0]) { zip($0, $1).map { $0 + $1 } }
            #expect(!same(actual, oneByOne), "these values should tell one order from another")
        }
    }

    @Test("ranks carry on the same tree", arguments: [2, 4, 8])
    func acrossRanks(_ ranks: Int) throws {
        let engine = try Engine(threads: 1)
        let shards = shards(8, seed: 9)
        var parts = (0..<ranks).map { rank in
            let own = Array(shards[rank * 8 / ranks..<(rank + 1) * 8 / ranks])
            return sum(GradientTree(engine, shards: own.count, count: Self.count), own)
        }
        // Recursive doubling, as `GradientExchange` does it: own + partner's.
        var bit = 1
        while bit < ranks {
            parts = parts.indices.map { rank in zip(parts[rank], parts[rank ^ bit]).map { $0 + $1 } }
            bit <<= 1
        }
        let one = sum(GradientTree(engine, shards: 8, count: Self.count), shards)
        for part in parts { #expect(same(part, one)) }
    }

    @Test("log2(shards) + 1 buffers", arguments: [(1, 1), (2, 2), (4, 3), (8, 4), (64, 7)])
    func memory(_ shards: Int, _ buffers: Int) throws {
        let tree = GradientTree(try Engine(threads: 1), shards: shards, count: 160)
        #expect(tree.bytes == buffers * 160 * MemoryLayout<Float>.stride)
    }

    @Test("a new buffer is zero, whatever stood there")
    func zeroed() throws {
        let tree = GradientTree(try Engine(threads: 1), shards: 4, count: 40)
        for _ in 0..<8 {
            for _ in 0..<4 {
                let buffer = tree.nextBuffer()
                #expect(buffer.array.allSatisfy { $0 == 0 })
                buffer.fill(1)
                tree.add()
            }
            let sum = tree.finish()
            #expect(sum.array.allSatisfy { $0 == 4 })
        }
        withExtendedLifetime(tree) {}
    }
}
