import Compute
import Glibc
import Synchronization
import TestSupport
import Testing

@Suite("WorkerPool")
struct WorkerPoolTests {
    @Test("every task runs exactly once, on a worker in range", arguments: [1, 2, 3, 8])
    func eachTaskOnce(_ threads: Int) throws {
        let pool = try WorkerPool(threads: threads)
        for count in [0, 1, 2, 3, 7, 16, 100, 1000, 4097] {
            withCounters(count) { seen in
                let outside = Atomic<Int>(0)
                pool.parallelFor(count) { task, worker in
                    seen[task].wrappingAdd(1, ordering: .relaxed)
                    if worker < 0 || worker >= threads { outside.wrappingAdd(1, ordering: .relaxed) }
                }
                let once = (0..<count).allSatisfy { seen[$0].load(ordering: .relaxed) == 1 }
                #expect(once, "\(count) tasks")
                #expect(outside.load(ordering: .relaxed) == 0)
            }
        }
    }

    @Test("ranges cover all, each but the last of the grain's length", arguments: [(0, 1), (1, 4), (17, 4), (64, 16)])
    func ranges(_ count: Int, _ grain: Int) throws {
        let pool = try WorkerPool(threads: 2)
        withCounters(count) { seen in
            let wrong = Atomic<Int>(0)
            pool.parallelRanges(count, grain: grain) { range, _ in
                for i in range { seen[i].wrappingAdd(1, ordering: .relaxed) }
                if range.lowerBound % grain != 0 || range.count != grain && range.upperBound != count {
                    wrong.wrappingAdd(1, ordering: .relaxed)
                }
            }
            let once = (0..<count).allSatisfy { seen[$0].load(ordering: .relaxed) == 1 }
            #expect(once)
            #expect(wrong.load(ordering: .relaxed) == 0)
        }
    }

    @Test("tasks compute without subnormal numbers, and the caller's arithmetic is as before", arguments: [1, 2, 3])
    func subnormals(_ threads: Int) throws {
        let pool = try WorkerPool(threads: threads)
        let smallest = [Float.leastNormalMagnitude]
        func halved() -> Float { smallest.withUnsafeBufferPointer { $0[0] * Float(threads) / Float(2 * threads) } }
        for count in [1, 40] {
            let others = Atomic<Int>(0)
            pool.parallelFor(count) { _, _ in
                if halved() != 0 || Float.leastNonzeroMagnitude * halved() != 0 {
                    others.wrappingAdd(1, ordering: .relaxed)
                }
            }
            #expect(others.load(ordering: .relaxed) == 0)
            #expect(halved() > 0)
        }
    }

    @Test("a clock adds up tasks and products of all threads, while it runs")
    func clock() throws {
        let engine = try Engine(threads: 2)
        let shape = ProductShape(rows: 64, columns: 64, depth: 64, kind: .attention)
        let product = engine.products(shape)
        withWorkspace { memory in
            let (a, b) = (memory.buffer(randomFloats(64 * 64, seed: 1)), memory.buffer(randomFloats(64 * 64, seed: 2)))
            let c = memory.buffer([Float](repeating: 0, count: 20 * 64 * 64))
            func run() {
                engine.pool.parallelFor(20) { task, worker in
                    product.run(a.base, b.base, into: c.base + task * 64 * 64, worker: worker)
                }
            }
            run()
            #expect(engine.pool.clock.reading.taskSeconds == 0)
            engine.pool.clock.isRunning = true
            run()
            let first = engine.pool.clock.reading
            run()
            let second = engine.pool.clock.reading - first
            for reading in [first, second] {
                #expect(reading.operations[.attention] == 20 * shape.operations)
                #expect(reading.operations[.layer] == 0 && reading.seconds[.layer] == 0)
                #expect(reading.seconds[.attention]! > 0 && reading.seconds[.attention]! <= reading.taskSeconds)
            }
        }
    }

    @Test("a worker's index belongs to one thread at a time")
    func workersAreExclusive() throws {
        let pool = try WorkerPool(threads: 3)
        withCounters(3) { busy in
            let clashes = Atomic<Int>(0)
            for _ in 0..<200 {
                pool.parallelFor(50) { _, worker in
                    if busy[worker].wrappingAdd(1, ordering: .acquiring).oldValue != 0 {
                        clashes.wrappingAdd(1, ordering: .relaxed)
                    }
                    busy[worker].wrappingSubtract(1, ordering: .releasing)
                }
            }
            #expect(clashes.load(ordering: .relaxed) == 0)
        }
    }

    @Test("twenty thousand tiny regions, whose writes the caller sees")
    func manyRegions() throws {
        let pool = try WorkerPool(threads: 2)
        // Plain memory: only the pool orders the workers' writes and the caller's reads.
        let values = UnsafeMutablePointer<Int>.allocate(capacity: 5)
        defer { values.deallocate() }
        values.initialize(repeating: 0, count: 5)
        nonisolated(unsafe) let cells = values
        for region in 1...20_000 {
            let count = 2 + region % 4
            pool.parallelFor(count) { task, _ in cells[task] += region }
        }
        for task in 0..<5 {
            let expected = (1...20_000).filter { task < 2 + $0 % 4 }.reduce(0, +)
            #expect(values[task] == expected)
        }
    }

    @Test("workers that sleep wake up, again and again")
    func sleepers() throws {
        let pool = try WorkerPool(threads: 3)
        let total = Atomic<Int>(0)
        for _ in 0..<20 {
            usleep(5_000)
            pool.parallelFor(100) { _, _ in total.wrappingAdd(1, ordering: .relaxed) }
        }
        #expect(total.load(ordering: .relaxed) == 2000)
    }

    @Test("all threads take part where tasks wait for each other")
    func allTakePart() throws {
        let pool = try WorkerPool(threads: 3)
        usleep(10_000)
        let arrived = Atomic<Int>(0)
        pool.parallelFor(3) { _, _ in
            arrived.wrappingAdd(1, ordering: .acquiringAndReleasing)
            // A task that nobody else could start would wait here for ever.
            while arrived.load(ordering: .acquiring) < 3 { sched_yield() }
        }
        #expect(arrived.load(ordering: .relaxed) == 3)
    }

    @Test("pools come and go without leaving threads behind")
    func lifetimes() throws {
        let before = threadsOfProcess()
        let total = Atomic<Int>(0)
        for round in 0..<100 {
            let pool = try WorkerPool(threads: 1 + round % 5)
            if round % 7 == 0 { usleep(1_000) }
            // Every third pool ends without having worked.
            if round % 3 != 0 { pool.parallelFor(10) { _, _ in total.wrappingAdd(1, ordering: .relaxed) } }
        }
        #expect(total.load(ordering: .relaxed) == (0..<100).filter { $0 % 3 != 0 }.count * 10)
        // Other tests run pools of their own meanwhile; two hundred left threads would still show.
        #expect(threadsOfProcess() < before + 100)
    }

    @Test("more threads than cores")
    func manyThreads() throws {
        let pool = try WorkerPool(threads: 16)
        let total = Atomic<Int>(0)
        for _ in 0..<100 { pool.parallelFor(64) { task, _ in total.wrappingAdd(task, ordering: .relaxed) } }
        #expect(total.load(ordering: .relaxed) == 100 * 64 * 63 / 2)
    }

    private func withCounters(_ count: Int, _ body: (UnsafeMutablePointer<Atomic<Int>>) -> Void) {
        let counters = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: max(count, 1))
        for i in 0..<count { (counters + i).initialize(to: Atomic(0)) }
        body(counters)
        counters.deinitialize(count: count)
        counters.deallocate()
    }

    private func threadsOfProcess() -> Int {
        guard let folder = opendir("/proc/self/task") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return count
    }
}
