/// A stretch of numbers inside somebody else's memory (an `Arena`, an array that outlives the call).
///
/// It owns nothing and copies as a pointer does; whoever declares one says its shape. Bounds are checked in debug
/// builds only: the indices of a kernel's inner loop follow from shapes that were checked once.
public struct Buffer<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
    public let base: UnsafeMutablePointer<Element>
    public let count: Int

    @inlinable
    public init(_ base: UnsafeMutablePointer<Element>, count: Int) {
        self.base = base
        self.count = count
    }

    @inlinable
    public subscript(index: Int) -> Element {
        get {
            assert(index >= 0 && index < count)
            return base[index]
        }
        nonmutating set {
            assert(index >= 0 && index < count)
            base[index] = newValue
        }
    }

    /// The part of `length` elements that starts at `start`.
    @inlinable
    public func slice(_ start: Int, _ length: Int) -> Buffer {
        assert(start >= 0 && length >= 0 && start + length <= count)
        return Buffer(base + start, count: length)
    }

    @inlinable
    public func fill(_ value: Element) { base.update(repeating: value, count: count) }

    /// Copies `source` to the start of this buffer.
    @inlinable
    public func copy(from source: Buffer) {
        precondition(source.count <= count, "source longer than destination")
        base.update(from: source.base, count: source.count)
    }

    @inlinable
    public func copy(from source: [Element]) {
        precondition(source.count <= count, "source longer than destination")
        source.withUnsafeBufferPointer { values in
            if let start = values.baseAddress { base.update(from: start, count: values.count) }
        }
    }

    @inlinable
    public var array: [Element] { Array(UnsafeBufferPointer(start: base, count: count)) }
    @inlinable
    public var readable: UnsafeBufferPointer<Element> { UnsafeBufferPointer(start: base, count: count) }
    @inlinable
    public var writable: UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(start: base, count: count)
    }
}

public typealias FloatBuffer = Buffer<Float>
/// For sums that floats could not hold exactly.
public typealias DoubleBuffer = Buffer<Double>

extension Buffer where Element == Double {
    /// The front half of the same memory, as floats.
    public var floats: FloatBuffer {
        FloatBuffer(UnsafeMutableRawPointer(base).assumingMemoryBound(to: Float.self), count: count)
    }
}
