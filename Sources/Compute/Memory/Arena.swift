import Glibc
import Reporting

/// One allocation, cut into buffers from the front, and released whole.
///
/// Memory is planned, not discovered: whatever takes buffers is built twice, first over a measuring arena, which
/// only counts, then over one of just that size. The plan is therefore the code that uses it (`Arena.build`).
public final class Arena: @unchecked Sendable {
    /// What the memory is for, as a memory table names it.
    public let name: String
    public let capacity: Int
    /// Floats taken so far.
    public private(set) var used = 0
    private let base: UnsafeMutablePointer<Float>?

    /// Buffers start at multiples of a cache line.
    private static let alignment = 16

    /// An arena of `capacity` zeroed floats.
    public init(_ name: String, capacity: Int) {
        self.name = name
        self.capacity = capacity
        guard capacity > 0 else {
            base = nil
            return
        }
        let bytes = capacity * MemoryLayout<Float>.stride
        let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else {
            AbruptEnd.refused(
                "reserve \(bytes >> 20) MiB for \(name)", errno,
                remedy: "ask for less memory, or raise what limits it (ulimit -v, vm.overcommit_memory)")
        }
        // Large pages: activations are swept front to back many times a step.
        madvise(memory, bytes, Int32(MADV_HUGEPAGE))
        base = memory.bindMemory(to: Float.self, capacity: capacity)
    }

    /// An arena that only counts; its buffers must not be touched.
    private init(measuring name: String) {
        self.name = name
        capacity = .max
        base = nil
    }

    deinit {
        if let base { munmap(base, capacity * MemoryLayout<Float>.stride) }
    }

    public var bytes: Int { capacity * MemoryLayout<Float>.stride }

    /// Whether it only counts.
    public var isMeasuring: Bool { base == nil && capacity == .max }

    /// Takes the next `count` floats; they are zero.
    public func take(_ count: Int) -> FloatBuffer {
        precondition(count >= 0, "negative size")
        let start = used
        used += (count + Self.alignment - 1) / Self.alignment * Self.alignment
        // Kept in release builds, too: sizes follow from what libraries answer.
        guard used <= capacity else { fatalError("arena \(name) is full") }
        // A measuring arena hands out an address that no one may touch.
        let first = base ?? UnsafeMutablePointer(bitPattern: Self.alignment * MemoryLayout<Float>.stride)!
        return FloatBuffer(base == nil ? first : first + start, count: count)
    }

    /// All of its memory, for one that is used again and again.
    var whole: FloatBuffer {
        guard let base else { preconditionFailure("an arena without memory") }
        return FloatBuffer(base, count: capacity)
    }

    /// Takes the next `count` doubles; they are zero.
    public func takeDoubles(_ count: Int) -> DoubleBuffer {
        let floats = take(2 * count)
        return DoubleBuffer(
            UnsafeMutableRawPointer(floats.base).bindMemory(to: Double.self, capacity: count), count: count)
    }

    /// Floats that `make` takes.
    public static func measure<Value>(_ name: String, _ make: (Arena) throws -> Value) rethrows -> Int {
        let arena = Arena(measuring: name)
        _ = try make(arena)
        return arena.used
    }

    /// What `make` builds over an arena of just the size it needs.
    public static func build<Value>(_ name: String, _ make: (Arena) throws -> Value) rethrows -> (Arena, Value) {
        let arena = Arena(name, capacity: try measure(name, make))
        return (arena, try make(arena))
    }
}
