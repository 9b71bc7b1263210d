import Compute
import TestSupport
import Testing

@Suite("Arena and FloatBuffer")
struct ArenaTests {
    @Test("what is measured is what is used", arguments: [[], [0], [1], [16], [17, 3, 100], [5000, 1, 0, 64]])
    func measure(_ counts: [Int]) {
        func make(_ arena: Arena) -> [FloatBuffer] { counts.map { arena.take($0) } }
        let (arena, buffers) = Arena.build("test", make)
        #expect(arena.used == arena.capacity)
        #expect(arena.used == Arena.measure("test", make))
        #expect(arena.bytes == 4 * arena.used)
        #expect(arena.name == "test")
        #expect(buffers.map(\.count) == counts)
    }

    @Test("buffers are zeroed, aligned to cache lines and apart")
    func buffers() {
        let counts = [1, 17, 16, 33, 1000]
        let (arena, buffers) = Arena.build("test") { arena in counts.map { arena.take($0) } }
        withExtendedLifetime(arena) {
            for buffer in buffers {
                #expect(Int(bitPattern: buffer.base) % 64 == 0)
                #expect(buffer.array.allSatisfy { $0 == 0 })
            }
            for (i, buffer) in buffers.enumerated() { buffer.fill(Float(i + 1)) }
            for (i, buffer) in buffers.enumerated() { #expect(buffer.array.allSatisfy { $0 == Float(i + 1) }) }
        }
    }

    @Test("slices and copies")
    func slices() {
        withWorkspace { memory in
            let buffer = memory.buffer([1, 2, 3, 4, 5])
            #expect(buffer.slice(1, 3).array == [2, 3, 4])
            buffer.slice(3, 2).copy(from: [9])
            #expect(buffer.array == [1, 2, 3, 9, 5])
            buffer.copy(from: memory.buffer([7, 8]))
            #expect(buffer.array == [7, 8, 3, 9, 5])
            buffer[4] = 6
            #expect(buffer[4] == 6 && buffer.readable.last == 6 && buffer.writable.count == 5)
            buffer.copy(from: [Float]())
            #expect(buffer[0] == 7)
        }
    }
}
