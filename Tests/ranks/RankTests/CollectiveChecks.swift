import Distributed

/// Lengths that find remainder bugs; pieces of 5 elements cut most of them unevenly.
private let lengths = [0, 1, 3, 5, 17, 1000]

/// What rank r holds at index i; small whole numbers, so that sums are exact in every type.
private func value(_ rank: Int, _ index: Int) -> Int { (rank + 1) * 3 + index % 7 }

private func reductions<T: Value>(_ type: T.Type, _ world: Communicator) throws {
    let ranks = 0..<world.size
    for length in lengths {
        let own = (0..<length).map { T(value(world.rank, $0)) }
        let sums = (0..<length).map { i in T(ranks.reduce(0) { $0 + value($1, i) }) }
        let smallest = (0..<length).map { T(value(0, $0)) }
        let largest = (0..<length).map { T(value(world.size - 1, $0)) }
        for (operation, expected) in [(Reduction.sum, sums), (.min, smallest), (.max, largest)] {
            var everywhere = own
            try everywhere.withUnsafeMutableBufferPointer { try world.allReduce($0, operation) }
            try expect(everywhere, equals: expected)

            for root in ranks {
                var atRoot = own
                try atRoot.withUnsafeMutableBufferPointer { try world.reduce($0, operation, root: root) }
                try expect(atRoot, equals: world.rank == root ? expected : own)
            }
        }
        for root in ranks {
            var copy = own
            try copy.withUnsafeMutableBufferPointer { try world.broadcast($0, root: root) }
            try expect(copy, equals: (0..<length).map { T(value(root, $0)) })
        }
    }
}

private func gathers(_ world: Communicator) throws {
    // Rank r brings r elements times a factor: the lowest rank brings none.
    for factor in [0, 1, 3, 40] {
        func part(_ rank: Int) -> [Double] { (0..<rank * factor).map { Double(value(rank, $0)) } }
        let expected = (0..<world.size).map(part)
        try expect(world.allGather(part(world.rank)), equals: expected)
        for root in 0..<world.size {
            try expect(world.broadcast(part(world.rank), root: root), equals: expected[root])
        }
    }
}

private func texts(_ world: Communicator) throws {
    func text(_ rank: Int) -> String { String(repeating: "é\(rank) ", count: rank) }
    try expect(world.allGather(text(world.rank)), equals: (0..<world.size).map(text))
    for root in 0..<world.size {
        try expect(world.broadcast(text(world.rank), root: root), equals: text(root))
    }
}

private func inSmallPieces(_ world: Communicator, _ body: (Communicator) throws -> Void) throws {
    let usual = world.pieceLimit
    defer { world.pieceLimit = usual }
    world.pieceLimit = 5
    try body(world)
}

func collectiveChecks() -> [Check] {
    [
        Check("reduce, all-reduce and broadcast: Float") { try reductions(Float.self, $0) },
        Check("reduce, all-reduce and broadcast: Double") { try reductions(Double.self, $0) },
        Check("reduce, all-reduce and broadcast: Int32") { try reductions(Int32.self, $0) },
        Check("reduce, all-reduce and broadcast: Int64") { try reductions(Int64.self, $0) },
        Check("reduce, all-reduce and broadcast: Int") { try reductions(Int.self, $0) },
        Check("reduce, all-reduce and broadcast: UInt8") { try reductions(UInt8.self, $0) },
        Check("reduce, all-reduce and broadcast in pieces") {
            try inSmallPieces($0) { try reductions(Float.self, $0) }
        },
        Check("all-gather of differing lengths") { try gathers($0) },
        Check("all-gather in pieces") { try inSmallPieces($0) { try gathers($0) } },
        Check("texts, also empty and beyond ASCII") { try texts($0) },
        Check("texts in pieces") { try inSmallPieces($0) { try texts($0) } },
        Check("values beyond 32 bits") { world in
            let big = Int(Int32.max) * 4
            try expect(world.allReduce(big + world.rank, .max), equals: big + world.size - 1)
        },
        Check("barriers") { world in
            for _ in 0..<3 { try world.barrier() }
        },
    ]
}
