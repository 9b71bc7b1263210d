import Testing

@testable import Distributed

@Suite("Memory that requests hold")
struct MPIBufferTests {
    private final class Arena {
        let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 4)
        let onRelease: () -> Void
        init(onRelease: @escaping () -> Void) {
            self.onRelease = onRelease
            memory.initialize(repeating: 7)
        }
        deinit {
            memory.deallocate()
            onRelease()
        }
    }

    @Test("a buffer of its own keeps what it was given")
    func values() {
        let buffer = MPIBuffer<Int32>([1, 2, 3])
        buffer[1] = 20
        #expect(buffer.array == [1, 20, 3] && buffer.count == 3 && buffer[2] == 3)
        #expect(MPIBuffer<Double>(repeating: 0.5, count: 3).array == [0.5, 0.5, 0.5])
        #expect(MPIBuffer<UInt8>([]).array.isEmpty)
    }

    @Test("borrowed memory is neither copied nor freed, and its owner lives on")
    func borrowed() {
        var released = false
        var buffer: MPIBuffer<Float>?
        do {
            let arena = Arena { released = true }
            buffer = MPIBuffer(borrowing: arena.memory, keepingAlive: arena)
            buffer?[2] = 8
            #expect(arena.memory[2] == 8)
        }
        #expect(!released && buffer?.array == [7, 7, 8, 7])
        buffer = nil
        #expect(released)
    }
}
