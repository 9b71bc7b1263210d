import Compute
import Datasets
import Distributed
import Model
import Training

/// A gradient of a virtual rank, whose values are of very unlike size: from 2^-40 to 2, some of them 0.
private func fill(_ gradient: FloatBuffer, _ table: ParameterTable, virtualRank: Int, seed: Int) {
    for parameter in table.parameters {
        for i in parameter.range {
            let bits = mixed(i, 1000 * seed + virtualRank)
            let magnitude =
                Float(1 + Double(bits >> 40) * 0x1p-24) * Float(sign: .plus, exponent: -Int(bits % 41), significand: 1)
            gradient[i] = bits % 13 == 0 ? 0 : bits & 64 == 0 ? magnitude : -magnitude
        }
    }
}

/// What one process finds alone, by plain arithmetic: values rounded to their tensor's grid, of which doubles hold every
/// sum exactly, rounded to float32 once; and each tensor's largest magnitude.
private func alone(_ table: ParameterTable, virtualRanks: Int, seed: Int) -> (grids: GradientGrids, sum: [Float]) {
    let (arena, gradients) = Arena.build("alone") { arena in (0..<virtualRanks).map { _ in arena.take(table.flatCount) }
    }
    defer { withExtendedLifetime(arena) {} }
    for (v, gradient) in gradients.enumerated() { fill(gradient, table, virtualRank: v, seed: seed) }
    var grids = GradientGrids(tensors: table.parameters.count, virtualRanks: virtualRanks)
    grids.follow(
        table.parameters.map { parameter in
            gradients.map { $0[parameter.range].array.map(\.magnitude).max() ?? 0 }.max() ?? 0
        })
    var sum = [Float](repeating: 0, count: table.flatCount)
    for (parameter, exponent) in zip(table.parameters, grids.exponents) {
        let grid = Double(sign: .plus, exponent: exponent, significand: 1)
        for i in parameter.range {
            sum[i] = Float(gradients.reduce(0.0) { $0 + (Double($1[i]) / grid).rounded(.toNearestOrEven) * grid })
        }
    }
    return (grids, sum)
}

/// Which virtual ranks each rank computes, and in which order: as a run does, backwards, and mixed up.
private func assignments(_ virtualRanks: Int, ranks: Int) -> [[[Int]]] {
    let plan = BatchPlan(job(virtualRanks: virtualRanks), ChunkLayout([.init(samples: 10, chunkSamples: 4)]))
    let shares = (0..<ranks).map { Array(plan.virtualRanks(of: $0, ranks: ranks)) }
    let mixedUp = (0..<virtualRanks).sorted { mixed($0, 7) < mixed($1, 7) }
    return [shares, shares.reversed().map { $0.reversed() }, shares.map { $0.map { mixedUp[$0] } }]
}

/// Sums of gradients over the ranks, to the bit what one process finds alone.
private func sums(_ world: Communicator, virtualRanks: Int) throws {
    let engine = try Engine(threads: 1)
    let table = smallNetwork()
    let slices = FlatSlices(count: table.flatCount, ranks: world.size)
    for shares in assignments(virtualRanks, ranks: world.size) {
        try expect(shares.flatMap { $0 }.sorted(), equals: Array(0..<virtualRanks))
        let exchange = GradientExchange(world, engine, slices, isSingle: shares.map { $0.count == 1 })
        let sum = GradientSum(
            engine, table, virtualRanks: virtualRanks, own: shares[world.rank].count, slice: slices[world.rank])
        // Twice over, so that nothing of a sum before is left.
        for seed in [1, 2] {
            let (grids, expected) = alone(table, virtualRanks: virtualRanks, seed: seed)
            sum.begin(grids)
            for (index, virtualRank) in shares[world.rank].enumerated() {
                // Where a gradient is taken up, the next is added to what is there: zeros.
                if index > 0 { try expect(sum.gradient.array.allSatisfy { $0 == 0 }, equals: true) }
                fill(sum.gradient, table, virtualRank: virtualRank, seed: seed)
                try expect(sum.add(), equals: true)
            }
            try expect(grids.suit(sum.maxima), equals: true)
            let own = slices[world.rank]
            let found = exchange.reduce(sum).array.map(\.bitPattern)
            // The grids are as coarse as they may be, so that a sum that skipped a rounding would show.
            try expect(found, equals: expected[own].map(\.bitPattern))
        }
    }
}

/// Sums of `count` values a rank, and back to all.
private func roundTrip(_ world: Communicator, count: Int, times: Int = 1) throws {
    let engine = try Engine(threads: 1)
    let slices = FlatSlices(count: count, ranks: world.size)
    let exchange = GradientExchange(world, engine, slices)
    let (arena, (sums, weights)) = Arena.build("round trip") { ($0.takeDoubles(count), $0.take(count)) }
    defer { withExtendedLifetime(arena) {} }
    func value(_ rank: Int, _ i: Int) -> Int { (rank + 1) * (i % 8191) + rank }
    for _ in 0..<times {
        for i in 0..<count { sums[i] = Double(value(world.rank, i)) }
        exchange.reduceScatter(sums)
        weights.fill(.nan)
        for i in slices[world.rank] { weights[i] = Float(sums[i]) / 4 }
        exchange.share(weights)
        let factor = world.size * (world.size + 1) / 2
        let rest = world.size * (world.size - 1) / 2
        let wrong = (0..<count).first { weights[$0] != Float(factor * ($0 % 8191) + rest) / 4 }
        try expect(wrong, equals: nil)
    }
}

func exchangeChecks() -> [Check] {
    [
        Check("as many virtual ranks as ranks: the bits of one process") { try sums($0, virtualRanks: $0.size) },
        Check("virtual ranks that ranks do not divide: the bits of one process") {
            try sums($0, virtualRanks: $0.size + 1)
            try sums($0, virtualRanks: $0.size + 3)
        },
        Check("several virtual ranks a rank: the bits of one process") { try sums($0, virtualRanks: 2 * $0.size + 7) },
        Check("a gradient that is not finite says so") { world in
            let table = smallNetwork()
            let sum = GradientSum(try Engine(threads: 1), table, virtualRanks: 8)
            let last = table.parameters.count - 1
            for value in [Float.nan, .infinity, -.infinity] {
                sum.begin(GradientGrids(tensors: table.parameters.count, virtualRanks: 8))
                sum.gradient[table.parameters[last].range.lowerBound] = value
                try expect(sum.add(), equals: false)
                try expect(sum.maxima.map(\.isFinite), equals: (0...last).map { $0 != last })
                // What follows is finite, and the maxima remember.
                try expect(sum.add(), equals: true)
                try expect(sum.maxima[last].isFinite, equals: false)
            }
        },
        Check("an exchange of slices that are empty") { world in
            for count in [0, 1, 4096, 4097, 3 * 4096 + 5] { try roundTrip(world, count: count, times: 2) }
        },
        Check("an exchange longer than a piece") { world in
            try roundTrip(world, count: 1_300_000)
            // Slices of two pieces at any number of ranks, of which the last is short.
            try roundTrip(world, count: (1 << 19) * world.size + 9000 * world.size)
        },
    ]
}
