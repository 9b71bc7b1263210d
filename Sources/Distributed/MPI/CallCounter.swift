import Synchronization

/// Counts how often MPI was called and left, for another thread to see whether the one that may call it is in there:
/// in a call it waits, as a rule, for other ranks.
public final class CallCounter: Sendable {
    private let count = Atomic<UInt64>(0)

    public init() {}

    /// Odd inside of a call. Equal and odd twice means the same call both times.
    public var value: UInt64 { count.load(ordering: .relaxed) }

    @inline(__always)
    func step() { count.wrappingAdd(1, ordering: .relaxed) }
}
