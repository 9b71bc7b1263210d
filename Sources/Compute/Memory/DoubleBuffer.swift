/// A stretch of 64-bit floats inside somebody else's memory; otherwise as `FloatBuffer`.
public struct DoubleBuffer: @unchecked Sendable {
    public let base: UnsafeMutablePointer<Double>
    public let count: Int

    @inlinable
    public init(_ base: UnsafeMutablePointer<Double>, count: Int) {
        self.base = base
        self.count = count
    }

    @inlinable
    public subscript(index: Int) -> Double {
        get {
            assert(index >= 0 && index < count)
            return base[index]
        }
        nonmutating set {
            assert(index >= 0 && index < count)
            base[index] = newValue
        }
    }

    /// The part of `length` values that starts at `start`.
    @inlinable
    public func slice(_ start: Int, _ length: Int) -> DoubleBuffer {
        assert(start >= 0 && length >= 0 && start + length <= count)
        return DoubleBuffer(base + start, count: length)
    }

    public func fill(_ value: Double) { base.update(repeating: value, count: count) }

    public var array: [Double] { Array(UnsafeBufferPointer(start: base, count: count)) }
    public var writable: UnsafeMutableBufferPointer<Double> { UnsafeMutableBufferPointer(start: base, count: count) }
}

extension Arena {
    /// Takes the next `count` doubles; they are zero.
    public func takeDoubles(_ count: Int) -> DoubleBuffer {
        let floats = take(2 * count)
        return DoubleBuffer(
            UnsafeMutableRawPointer(floats.base).bindMemory(to: Double.self, capacity: count), count: count)
    }
}
