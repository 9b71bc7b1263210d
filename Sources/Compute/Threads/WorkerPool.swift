import CPlatform
import Glibc
import Reporting
import Synchronization

/// Threads of our own that live as long as the pool: they spin for work, then sleep.
///
/// Work is cut into tasks whose number and size the caller chooses, by shape alone where bits depend on it; which thread runs
/// a task is left to chance, so a result may depend on the task, never on the thread. Calls come from one thread at a time
/// and do not nest. Tasks compute without subnormal numbers (`fpdm_flush_subnormals`), on whatever thread.
public final class WorkerPool: @unchecked Sendable {
    /// More threads than this are a slip of the pen on any machine.
    public static let threadsLimit = 1...1_024

    /// Threads that work, the calling one included.
    public let threadCount: Int
    /// What its threads spend their time on, if it runs.
    public let clock: KernelClock

    private let shared: Shared
    private var threads: [SystemThread] = []

    /// The state that workers keep alive, so that the pool itself can end them.
    private final class Shared: @unchecked Sendable {
        /// Raised with each piece of work; idle workers sleep on it.
        let generation = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
        let sleepers = Atomic<Int>(0)
        let nextTask = Atomic<Int>(0)
        let running = Atomic<Int>(0)
        let stopping = Atomic<Bool>(false)
        // Written before `generation` is raised, read after it was seen: the atomic orders them.
        var taskCount = 0
        var body: ((_ task: Int, _ worker: Int) -> Void)?
        let clock: KernelClock

        init(_ clock: KernelClock) {
            self.clock = clock
            generation.initialize(to: 0)
        }
        deinit { generation.deallocate() }
    }

    /// Spins before a thread sleeps: some 50 microseconds, longer than the gap between two kernels of a step.
    private static let spins = 2_000

    /// - Parameter threads: at least 1; the calling thread is one of them.
    /// - Throws: why there are not so many.
    public init(threads count: Int) throws(Failure) {
        precondition(count >= 1, "a pool has at least one thread")
        threadCount = count
        clock = KernelClock(workers: count)
        shared = Shared(clock)
        for worker in 1..<max(count, 1) {
            threads.append(
                try SystemThread("worker \(worker + 1) of \(count)") { [shared] in
                    Self.work(shared, worker: worker)
                })
        }
    }

    deinit {
        shared.stopping.store(true, ordering: .releasing)
        announce()
        for thread in threads { thread.join() }
    }

    /// Runs `body` for every task 0 ..< `count`, and returns when all have ended. `worker` is below `threadCount`:
    /// an index for scratch memory.
    public func parallelFor(_ count: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
        if threadCount == 1 || count <= 1 {
            Self.working(clock, worker: 0) {
                for task in 0..<max(count, 0) { body(task, 0) }
            }
            return
        }
        withoutActuallyEscaping(body) { body in
            shared.body = body
            shared.taskCount = count
            shared.nextTask.store(0, ordering: .relaxed)
            shared.running.store(threadCount - 1, ordering: .relaxed)
            announce()
            Self.drain(shared, worker: 0)
            var idle = 0
            while shared.running.load(ordering: .acquiring) != 0 {
                fpdm_pause()
                idle += 1
                // More threads than cores: let the one that we wait for run.
                if idle > Self.spins { sched_yield() }
            }
            shared.body = nil
        }
    }

    /// Runs `body` over 0 ..< `count` in ranges of `grain` (the last may be shorter).
    public func parallelRanges(_ count: Int, grain: Int, _ body: (_ range: Range<Int>, _ worker: Int) -> Void) {
        precondition(grain > 0, "a range holds at least one element")
        parallelFor((count + grain - 1) / grain) { task, worker in
            body(task * grain..<min((task + 1) * grain, count), worker)
        }
    }

    private func announce() {
        fpdm_word_increment(shared.generation)
        if shared.sleepers.load(ordering: .sequentiallyConsistent) > 0 { fpdm_futex_wake_all(shared.generation) }
    }

    private static func drain(_ shared: Shared, worker: Int) {
        guard let body = shared.body else { return }
        let count = shared.taskCount
        working(shared.clock, worker: worker) {
            while true {
                let task = shared.nextTask.wrappingAdd(1, ordering: .relaxed).oldValue
                if task >= count { return }
                body(task, worker)
            }
        }
    }

    @inline(__always)
    private static func working(_ clock: KernelClock, worker: Int, _ body: () -> Void) {
        let arithmetic = fpdm_flush_subnormals()
        defer { fpdm_restore_arithmetic(arithmetic) }
        guard clock.isRunning else { return body() }
        let begin = KernelClock.now
        body()
        clock.addTasks(since: begin, worker: worker)
    }

    private static func work(_ shared: Shared, worker: Int) {
        var seen: UInt32 = 0
        while true {
            seen = waitForWork(shared, after: seen)
            if shared.stopping.load(ordering: .acquiring) { return }
            drain(shared, worker: worker)
            shared.running.wrappingSubtract(1, ordering: .releasing)
        }
    }

    private static func waitForWork(_ shared: Shared, after seen: UInt32) -> UInt32 {
        for _ in 0..<spins {
            let generation = fpdm_word_load(shared.generation)
            if generation != seen { return generation }
            fpdm_pause()
        }
        shared.sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
        defer { shared.sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
        while true {
            let generation = fpdm_word_load(shared.generation)
            if generation != seen { return generation }
            fpdm_futex_wait(shared.generation, seen)
        }
    }
}
