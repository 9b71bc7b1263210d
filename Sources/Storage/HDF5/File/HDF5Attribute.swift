/// What an attribute holds: a value, or values in a row.
public struct HDF5AttributeContent: Equatable, Sendable {
    public enum Values: Equatable, Sendable {
        case integers([Int])
        case doubles([Double])
        case floats([Float])
        case bools([Bool])
        case strings([String])
    }

    public let values: Values
    /// Empty for a single value.
    public let shape: [Int]

    public init(_ values: Values, shape: [Int]) {
        self.values = values
        self.shape = shape
    }

    /// The only value: of a scalar, or of a row of one.
    func only<Element>(_ elements: [Element]) -> Element? { elements.count == 1 ? elements[0] : nil }

    /// Values of at most one dimension.
    func row<Element>(_ elements: [Element]) -> [Element]? { shape.count <= 1 ? elements : nil }

    /// Type and shape, for messages.
    var summary: String {
        let type =
            switch values {
            case .integers: "integer"
            case .doubles, .floats: "floating-point number"
            case .bools: "bool"
            case .strings: "string"
            }
        return shape.isEmpty ? "a single \(type)" : "\(type)s of shape \(shape)"
    }
}

/// A Swift value that attributes are read as and written from.
///
/// Reading is lenient in width: any integer is an `Int` if it fits, integers and floats of any width are a `Double`
/// (or `Float`), a single value is a list of one and the reverse. It never turns text into numbers, or numbers into
/// bools.
public protocol HDF5AttributeValue: Sendable {
    /// Nil if the content is something else.
    init?(hdf5 content: HDF5AttributeContent)
    var hdf5: HDF5AttributeContent { get }
    /// What is expected, for messages.
    static var hdf5Description: String { get }
}

extension Int: HDF5AttributeValue {
    public init?(hdf5 content: HDF5AttributeContent) {
        guard case .integers(let values) = content.values, let value = content.only(values) else { return nil }
        self = value
    }
    public var hdf5: HDF5AttributeContent { HDF5AttributeContent(.integers([self]), shape: []) }
    public static var hdf5Description: String { "an integer" }
}

extension Bool: HDF5AttributeValue {
    public init?(hdf5 content: HDF5AttributeContent) {
        guard case .bools(let values) = content.values, let value = content.only(values) else { return nil }
        self = value
    }
    public var hdf5: HDF5AttributeContent { HDF5AttributeContent(.bools([self]), shape: []) }
    public static var hdf5Description: String { "a bool" }
}

extension String: HDF5AttributeValue {
    public init?(hdf5 content: HDF5AttributeContent) {
        guard case .strings(let values) = content.values, let value = content.only(values) else { return nil }
        self = value
    }
    public var hdf5: HDF5AttributeContent { HDF5AttributeContent(.strings([self]), shape: []) }
    public static var hdf5Description: String { "a string" }
}

extension Double: HDF5AttributeValue {
    public init?(hdf5 content: HDF5AttributeContent) {
        guard let values = [Double](hdf5: content), let value = content.only(values) else { return nil }
        self = value
    }
    public var hdf5: HDF5AttributeContent { HDF5AttributeContent(.doubles([self]), shape: []) }
    public static var hdf5Description: String { "a number" }
}

extension Float: HDF5AttributeValue {
    public init?(hdf5 content: HDF5AttributeContent) {
        guard let value = Double(hdf5: content) else { return nil }
        self = Float(value)
    }
    public var hdf5: HDF5AttributeContent { HDF5AttributeContent(.floats([self]), shape: []) }
    public static var hdf5Description: String { "a number" }
}

/// Of integers, doubles, floats or strings.
extension Array: HDF5AttributeValue where Element: HDF5AttributeElement {
    public init?(hdf5 content: HDF5AttributeContent) {
        guard let elements = Element.elements(of: content), let row = content.row(elements) else { return nil }
        self = row
    }
    public var hdf5: HDF5AttributeContent { HDF5AttributeContent(Element.values(self), shape: [count]) }
    public static var hdf5Description: String { Element.hdf5ListDescription }
}

/// What lists in attributes are made of.
public protocol HDF5AttributeElement: Sendable {
    static func elements(of content: HDF5AttributeContent) -> [Self]?
    static func values(_ elements: [Self]) -> HDF5AttributeContent.Values
    static var hdf5ListDescription: String { get }
}

extension Int: HDF5AttributeElement {
    public static func elements(of content: HDF5AttributeContent) -> [Int]? {
        switch content.values {
        case .integers(let values): values
        // h5py makes an empty list one of float64.
        case .doubles(let values) where values.isEmpty: []
        default: nil
        }
    }
    public static func values(_ elements: [Int]) -> HDF5AttributeContent.Values { .integers(elements) }
    public static var hdf5ListDescription: String { "a list of integers" }
}

extension Double: HDF5AttributeElement {
    public static func elements(of content: HDF5AttributeContent) -> [Double]? {
        switch content.values {
        case .integers(let values): values.map(Double.init)
        case .doubles(let values): values
        case .floats(let values): values.map(Double.init)
        case .bools, .strings: nil
        }
    }
    public static func values(_ elements: [Double]) -> HDF5AttributeContent.Values { .doubles(elements) }
    public static var hdf5ListDescription: String { "a list of numbers" }
}

extension Float: HDF5AttributeElement {
    public static func elements(of content: HDF5AttributeContent) -> [Float]? {
        Double.elements(of: content)?.map { Float($0) }
    }
    public static func values(_ elements: [Float]) -> HDF5AttributeContent.Values { .floats(elements) }
    public static var hdf5ListDescription: String { "a list of numbers" }
}

extension String: HDF5AttributeElement {
    public static func elements(of content: HDF5AttributeContent) -> [String]? {
        switch content.values {
        case .strings(let values): values
        case .doubles(let values) where values.isEmpty: []
        default: nil
        }
    }
    public static func values(_ elements: [String]) -> HDF5AttributeContent.Values { .strings(elements) }
    public static var hdf5ListDescription: String { "a list of strings" }
}
