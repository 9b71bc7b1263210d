/// A stretch of 32-bit floats inside somebody else's memory (an `Arena`, an array that outlives the call).
///
/// It owns nothing and copies as a pointer does; whoever declares one says its shape. Bounds are checked in debug
/// builds only: the indices of a kernel's inner loop follow from shapes that were checked once.
public struct FloatBuffer: @unchecked Sendable {
    public let base: UnsafeMutablePointer<Float>
    public let count: Int

    @inlinable
    public init(_ base: UnsafeMutablePointer<Float>, count: Int) {
        self.base = base
        self.count = count
    }

    @inlinable
    public subscript(index: Int) -> Float {
        get {
            assert(index >= 0 && index < count)
            return base[index]
        }
        nonmutating set {
            assert(index >= 0 && index < count)
            base[index] = newValue
        }
    }

    /// The part of `length` floats that starts at `start`.
    @inlinable
    public func slice(_ start: Int, _ length: Int) -> FloatBuffer {
        assert(start >= 0 && length >= 0 && start + length <= count)
        return FloatBuffer(base + start, count: length)
    }

    public func fill(_ value: Float) { base.update(repeating: value, count: count) }

    /// Copies `source` to the start of this buffer.
    public func copy(from source: FloatBuffer) {
        precondition(source.count <= count, "source longer than destination")
        base.update(from: source.base, count: source.count)
    }

    public func copy(from source: [Float]) {
        precondition(source.count <= count, "source longer than destination")
        source.withUnsafeBufferPointer { values in
            if let start = values.baseAddress { base.update(from: start, count: values.count) }
        }
    }

    public var array: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }
    public var readable: UnsafeBufferPointer<Float> { UnsafeBufferPointer(start: base, count: count) }
    public var writable: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: base, count: count) }
}
