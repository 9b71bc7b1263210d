import Distributed

private func numbers(_ rank: Int, _ count: Int) -> [Int32] { (0..<count).map { Int32(rank * 10_000 + $0) } }

/// Rank r sends to the next around the ring as many elements as `length` says for r.
private func ring(_ world: Communicator, length: (Int) -> Int) throws {
    let next = (world.rank + 1) % world.size
    let previous = (world.rank + world.size - 1) % world.size
    let outgoing = numbers(world.rank, length(world.rank))
    let received = try world.iReceive(MPIBuffer<Int32>(repeating: 0, count: length(previous)), from: previous, tag: 4)
    let sent = try world.iSend(MPIBuffer(outgoing), to: next, tag: 4)
    try expect(received.wait().array, equals: numbers(previous, length(previous)))
    try expect(sent.wait().array, equals: outgoing)
}

/// Every even rank sends to the odd one after it, blocking.
private func pairs(_ world: Communicator, count: Int) throws {
    let isSender = world.rank % 2 == 0
    let peer = isSender ? world.rank + 1 : world.rank - 1
    guard peer < world.size else { return }
    if isSender {
        try numbers(world.rank, count).withUnsafeBufferPointer { try world.send($0, to: peer, tag: 1) }
    } else {
        var incoming = [Int32](repeating: -1, count: count)
        try incoming.withUnsafeMutableBufferPointer { try world.receive($0, from: peer, tag: 1) }
        try expect(incoming, equals: numbers(peer, count))
    }
}

private func withPieces(_ world: Communicator, of limit: Int, _ body: () throws -> Void) throws {
    let usual = world.pieceLimit
    defer { world.pieceLimit = usual }
    world.pieceLimit = limit
    try body()
}

func messageChecks() -> [Check] {
    [
        Check("a message is found before it is received, and in its own communicator alone") { world in
            let copy = try world.duplicate()
            try expect(copy.rank, equals: world.rank)
            try expect(copy.size, equals: world.size)
            let next = (world.rank + 1) % world.size
            let previous = (world.rank + world.size - 1) % world.size
            try expect(copy.probe(), equals: nil)
            try world.barrier()
            let sent = try copy.iSend(MPIBuffer<UInt8>([7]), to: next)
            var found: Int?
            while found == nil { found = try copy.probe() }
            try expect(found, equals: previous)
            try expect(world.probe(), equals: nil)
            try expect(copy.probe(tag: 3), equals: nil)
            var incoming: [UInt8] = [0]
            try incoming.withUnsafeMutableBufferPointer { try copy.receive($0, from: previous) }
            try expect(incoming, equals: [7])
            try sent.wait()
            try expect(copy.probe(), equals: nil)
            try world.barrier()
        },
        Check("who waits has time for other things") { world in
            guard world.size > 1 else { return }
            if world.rank == 0 {
                // Rank 1 sends nothing before it hears that this one has been idle.
                let received = try world.iReceive(MPIBuffer<Int32>(repeating: 0, count: 3), from: 1, tag: 5)
                var started: Result<Request<Int32>, any Error>?
                let buffer = try received.wait {
                    if started == nil { started = Result { try world.iSend(MPIBuffer<Int32>([1]), to: 1, tag: 6) } }
                }
                try started?.get().wait()
                try expect(buffer.array, equals: [4, 5, 6])
            } else if world.rank == 1 {
                var word: [Int32] = [0]
                try word.withUnsafeMutableBufferPointer { try world.receive($0, from: 0, tag: 6) }
                try world.iSend(MPIBuffer<Int32>([4, 5, 6]), to: 0, tag: 5).wait()
            }
        },
        Check("ring of equal, empty and differing lengths") { world in
            for count in [0, 1, 7, 100_000] { try ring(world) { _ in count } }
            try ring(world) { $0 * 13 }
        },
        Check("ring in pieces") { world in
            for limit in [1, 4, 13] { try withPieces(world, of: limit) { try ring(world) { $0 * 13 } } }
        },
        Check("blocking pairs") { world in
            for count in [0, 1, 9, 50_000] { try pairs(world, count: count) }
            try withPieces(world, of: 4) { try pairs(world, count: 9) }
        },
        Check("several requests at once, waited for in another order") { world in
            let peer = world.size - 1 - world.rank
            let receives = try (0..<4).map {
                try world.iReceive(MPIBuffer<Double>(repeating: 0, count: 3), from: peer, tag: $0)
            }
            let sends = try (0..<4).map {
                try world.iSend(MPIBuffer<Double>(repeating: Double(world.rank * 10 + $0), count: 3), to: peer, tag: $0)
            }
            for tag in (0..<4).reversed() {
                try expect(receives[tag].wait().array, equals: .init(repeating: Double(peer * 10 + tag), count: 3))
            }
            for send in sends { try send.wait() }
        },
        Check("a message that is too short or too long is an error of the receiver") { world in
            for sent in [2, 6] {
                let request = try world.iSend(MPIBuffer(numbers(world.rank, sent)), to: world.rank, tag: 9)
                var incoming = [Int32](repeating: 0, count: 4)
                let error = try expectError(MPIError.self) {
                    try incoming.withUnsafeMutableBufferPointer { try world.receive($0, from: world.rank, tag: 9) }
                }
                try expect(error.operation, equals: "MPI_Recv")
                try request.wait()
            }
        },
        Check("an error has operation, rank and MPI's own text") { world in
            let error = try expectError(MPIError.self) { _ = try world.broadcast("", root: world.size) }
            try expect(error.operation, equals: "MPI_Bcast")
            try expect(error.rank, equals: world.rank)
            try expect(error.message.lowercased().contains("invalid root"), equals: true)
        },
    ]
}
