import Glibc

/// Where a pool's threads spend their time, while someone asks: products by kind, and all tasks together.
///
/// It costs two readings of a clock a product. Threads write to counters of their own; they are read while none works.
public final class KernelClock: @unchecked Sendable {
    /// What threads did since the clock began to run, summed over them.
    public struct Reading: Equatable, Sendable {
        /// Seconds of products, and their floating-point operations.
        public var seconds: [ProductKind: Double] = [:]
        public var operations: [ProductKind: Double] = [:]
        /// Seconds of tasks, their products included.
        public var taskSeconds = 0.0

        public init() {}

        public static func - (a: Reading, b: Reading) -> Reading {
            var difference = Reading()
            for kind in ProductKind.allCases {
                difference.seconds[kind] = (a.seconds[kind] ?? 0) - (b.seconds[kind] ?? 0)
                difference.operations[kind] = (a.operations[kind] ?? 0) - (b.operations[kind] ?? 0)
            }
            difference.taskSeconds = a.taskSeconds - b.taskSeconds
            return difference
        }
    }

    /// To be set while no thread works.
    public var isRunning = false

    private let workers: Int
    /// A thread's nanoseconds and operations by kind, then those of its tasks; lines of the cache apart.
    private let counters: UnsafeMutablePointer<Double>
    private static let stride = 32

    init(workers: Int) {
        self.workers = workers
        counters = .allocate(capacity: workers * Self.stride)
        counters.initialize(repeating: 0, count: workers * Self.stride)
    }

    deinit { counters.deallocate() }

    /// Nanoseconds of a clock that never goes back.
    @inline(__always)
    static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    @inline(__always)
    func add(_ kind: ProductKind, since begin: Int, operations: Double, worker: Int) {
        let own = counters + worker * Self.stride + 2 * kind.rawValue
        own[0] += Double(Self.now - begin)
        own[1] += operations
    }

    @inline(__always)
    func addTasks(since begin: Int, worker: Int) {
        counters[worker * Self.stride + 2 * ProductKind.allCases.count] += Double(Self.now - begin)
    }

    public var reading: Reading {
        var reading = Reading()
        for worker in 0..<workers {
            let own = counters + worker * Self.stride
            for kind in ProductKind.allCases {
                reading.seconds[kind, default: 0] += own[2 * kind.rawValue] * 1e-9
                reading.operations[kind, default: 0] += own[2 * kind.rawValue + 1]
            }
            reading.taskSeconds += own[2 * ProductKind.allCases.count] * 1e-9
        }
        return reading
    }
}
