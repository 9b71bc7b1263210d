/// Memory that a pending request may hold on to: it lives as long as anyone refers to it.
public final class MPIBuffer<Element: MPIScalar> {
    /// The elements. Not to be touched between the start of a request and its `wait()`.
    public let elements: UnsafeMutableBufferPointer<Element>
    /// The number of elements.
    public var count: Int { elements.count }

    /// Whoever owns the memory, when this buffer does not.
    private let owner: AnyObject?

    /// Memory of the buffer's own, every element set to `value`.
    public init(repeating value: Element, count: Int) {
        elements = .allocate(capacity: count)
        elements.initialize(repeating: value)
        owner = nil
    }

    /// Memory of the buffer's own, holding a copy of `values`.
    public init(_ values: [Element]) {
        elements = .allocate(capacity: values.count)
        _ = elements.initialize(from: values)
        owner = nil
    }

    /// Memory of somebody else's, such as an arena's, whose owner lives at least as long as this buffer.
    public init(borrowing elements: UnsafeMutableBufferPointer<Element>, keepingAlive owner: AnyObject) {
        self.elements = elements
        self.owner = owner
    }

    deinit {
        if owner == nil { elements.deallocate() }
    }

    /// A copy of the elements.
    public var array: [Element] { Array(elements) }

    public subscript(index: Int) -> Element {
        get { elements[index] }
        set { elements[index] = newValue }
    }
}
