import Distributed

/// How a buffer is cut among the ranks: even, uneven, with ranks that own nothing, all with one rank, nothing at all.
private func layouts(_ ranks: Int) -> [[Int]] {
    [
        (0..<ranks).map { _ in 64 },
        (0..<ranks).map { 1 + $0 * 7 % 5 },
        (0..<ranks).map { $0 % 2 == 0 ? 0 : 23 },
        (0..<ranks).map { $0 % 2 == 0 ? 1000 : 0 },
        (0..<ranks).map { $0 == ranks - 1 ? 317 : 0 },
        (0..<ranks).map { $0 == 0 ? 317 : 0 },
        (0..<ranks).map { 4096 * ($0 + 1) + ($0 == ranks - 1 ? 19 : 0) },
        (0..<ranks).map { _ in 0 },
    ]
}

/// What rank r holds at index i: neighbours differ, so that a slice in the wrong place is found. Sums of eight ranks
/// fit a byte, and all are exact in every type.
private func value(_ rank: Int, _ index: Int) -> Int { rank * 2 + index % 23 }

private func reduceScatters<T: Value>(_ type: T.Type, _ world: Communicator) throws {
    let ranks = 0..<world.size
    for counts in layouts(world.size) {
        let total = counts.reduce(0, +)
        let start = counts[..<world.rank].reduce(0, +)
        let slice = start..<start + counts[world.rank]
        let sums = slice.map { i in T(ranks.reduce(0) { $0 + value($1, i) }) }
        let smallest = slice.map { T(value(0, $0)) }
        let largest = slice.map { T(value(world.size - 1, $0)) }
        for (operation, expected) in [(Reduction.sum, sums), (.min, smallest), (.max, largest)] {
            var all = (0..<total).map { T(value(world.rank, $0)) }
            try all.withUnsafeMutableBufferPointer { try world.reduceScatter($0, counts: counts, operation) }
            try expect(Array(all.prefix(slice.count)), equals: expected)
        }
    }
}

private func allGathers<T: Value>(_ type: T.Type, _ world: Communicator) throws {
    for counts in layouts(world.size) {
        var start = 0
        var owners: [Int] = []
        for (rank, count) in counts.enumerated() { owners += [Int](repeating: rank, count: count) }
        for rank in 0..<world.rank { start += counts[rank] }
        let slice = start..<start + counts[world.rank]
        // Outside of the own slice lies what must be overwritten.
        var all = owners.indices.map { T(slice.contains($0) ? value(world.rank, $0) : 255) }
        try all.withUnsafeMutableBufferPointer { try world.allGather($0, counts: counts) }
        try expect(all, equals: owners.indices.map { T(value(owners[$0], $0)) })
    }
}

/// A gradient's way: its sum to the owners, who change it, and the result to all.
private func roundTrip(_ world: Communicator) throws {
    let counts = (0..<world.size).map { 1000 + 3 * $0 }
    let total = counts.reduce(0, +)
    let start = counts[..<world.rank].reduce(0, +)
    var sums = (0..<total).map { Double(value(world.rank, $0)) }
    try sums.withUnsafeMutableBufferPointer { try world.reduceScatter($0, counts: counts, .sum) }
    var weights = [Float](repeating: -1, count: total)
    for i in 0..<counts[world.rank] { weights[start + i] = Float(sums[i]) / 2 }
    try weights.withUnsafeMutableBufferPointer { try world.allGather($0, counts: counts) }
    let expected = (0..<total).map { i in Float((0..<world.size).reduce(0) { $0 + value($1, i) }) / 2 }
    try expect(weights, equals: expected)
}

/// From limits at which all goes in pieces to one at which only the largest layouts do.
private func inPieces(_ world: Communicator, _ body: (Communicator) throws -> Void) throws {
    let usual = world.pieceLimit
    defer { world.pieceLimit = usual }
    for limit in [5, 64, 1000] {
        world.pieceLimit = limit
        try body(world)
    }
}

func sliceChecks() -> [Check] {
    [
        Check("reduce-scatter: Float") { try reduceScatters(Float.self, $0) },
        Check("reduce-scatter: Double") { try reduceScatters(Double.self, $0) },
        Check("reduce-scatter: Int32") { try reduceScatters(Int32.self, $0) },
        Check("reduce-scatter: Int64") { try reduceScatters(Int64.self, $0) },
        Check("reduce-scatter: UInt8") { try reduceScatters(UInt8.self, $0) },
        Check("reduce-scatter in pieces") { try inPieces($0) { try reduceScatters(Double.self, $0) } },
        Check("all-gather of slices: Float") { try allGathers(Float.self, $0) },
        Check("all-gather of slices: Double") { try allGathers(Double.self, $0) },
        Check("all-gather of slices: Int32") { try allGathers(Int32.self, $0) },
        Check("all-gather of slices: UInt8") { try allGathers(UInt8.self, $0) },
        Check("all-gather of slices in pieces") { try inPieces($0) { try allGathers(Float.self, $0) } },
        Check("sums to their owners and back to all") { try roundTrip($0) },
    ]
}
