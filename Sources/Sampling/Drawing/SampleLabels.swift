import Model
import Reporting
import Storage

/// What images are drawn for: a function of an image's index alone.
public enum SampleLabels: Equatable, Sendable {
    /// Image i is of class `turn[i % turn.count]`.
    case classes(turn: [Int])
    /// Of a model with label vectors.
    case vectors(LabelVectors)
    /// Of a model with label vectors: the zeros that training puts in place of a dropped label.
    case dropped
    /// The model takes none.
    case none

    /// Label vectors of images.
    public struct LabelVectors: Equatable, Sendable {
        /// [rows, length]
        let values: [Float]
        let length: Int
        /// The image that the first row is of; nil: image i takes row i % rows.
        let first: Int?

        /// - Parameters:
        ///   - values: [rows, length], at least one row.
        ///   - first: the index of the first row's image, the others following; nil: images take rows in turn.
        public init(_ values: [Float], length: Int, first: Int? = nil) {
            precondition(length > 0 && !values.isEmpty && values.count % length == 0, "rows of label vectors")
            (self.values, self.length, self.first) = (values, length, first)
        }

        func row(of image: Int) -> ArraySlice<Float> {
            let rows = values.count / length
            let row = first.map { image - $0 } ?? image % rows
            precondition(0..<rows ~= row, "no label vector for image \(image)")
            return values[row * length..<(row + 1) * length]
        }
    }

    /// The labels that a model's images are drawn for.
    ///
    /// - Parameters:
    ///   - classes: to draw in turn, by name or by number; nil: all in turn.
    ///   - names: what classes are called, by number; nil where it is not known.
    ///   - vectors: of a model with label vectors; nil: the label counts as dropped.
    /// - Throws: `Failure`, usage, for labels that the model does not take.
    public init(
        _ model: ModelConfiguration, classes: [String]? = nil, names: [String]? = nil, vectors: LabelVectors? = nil
    ) throws {
        let kind = model.conditioning
        if classes != nil, kind != .classes {
            throw Failure(.usage, "--classes: this model has no classes (conditioning \(kind.rawValue))")
        }
        if vectors != nil, kind != .continuous {
            throw Failure(.usage, "--labels: this model has no label vectors (conditioning \(kind.rawValue))")
        }
        switch kind {
        case .none: self = .none
        case .classes:
            guard let classes else {
                self = .classes(turn: Array(0..<model.classes))
                return
            }
            guard !classes.isEmpty, classes != [""] else {
                throw Failure(.usage, "--classes names no class; leave it out for all")
            }
            self = .classes(turn: try classes.map { try Self.number(of: $0, model.classes, names) })
        case .continuous:
            guard let vectors else {
                self = .dropped
                return
            }
            guard vectors.length == model.classes else {
                throw Failure(
                    .badData,
                    "--labels: vectors of \(vectors.length), and this model's label vectors have \(model.classes) values each"
                )
            }
            self = .vectors(vectors)
        }
    }

    /// Classes of a list such as `Bag,Coat`. A name may have commas in it where it stands alone.
    public static func list(_ text: String, names: [String]?) -> [String] {
        if names?.contains(text) ?? false { return [text] }
        return text.split(separator: ",", omittingEmptySubsequences: false).map {
            String($0.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        }
    }

    /// A class by its name, or else by its number, or by its name whatever the case of its letters. Names may be numbers,
    /// and then seldom those of their classes: of folders `1` to `10` the second is `10`.
    private static func number(of text: String, _ classes: Int, _ names: [String]?) throws -> Int {
        guard !text.isEmpty else { throw Failure(.usage, "--classes: there is nothing between two commas") }
        let own = names?.prefix(classes) ?? []
        if let number = own.firstIndex(of: text) { return number }
        if let number = Int(text) {
            guard 0..<classes ~= number else {
                throw Failure(.usage, "--classes: class \(number) is outside 0...\(classes - 1)")
            }
            return number
        }
        func folded(_ name: String) -> String { name.lowercased() }
        if let number = own.firstIndex(where: { folded($0) == folded(text) }) { return number }
        guard !own.isEmpty else {
            throw Failure(
                .usage,
                "--classes: \(text) is no number, and what the classes are called is not recorded with these weights; "
                    + "give numbers from 0 to \(classes - 1)")
        }
        let known = own.prefix(20).enumerated().map { "\($0) \($1)" }.joined(separator: ", ")
        throw Failure(
            .usage, "--classes: no class is called \(text); there are \(known)\(own.count > 20 ? " and more" : "")")
    }

    /// The class of an image; nil where images are of none.
    public func classNumber(of image: Int) -> Int? {
        guard case .classes(let turn) = self else { return nil }
        return turn[image % turn.count]
    }

    /// What a file of an image says of its label: the class, or the CRC-32C of its label vector as float32.
    public func stamp(of image: Int) -> [String: String] {
        switch self {
        case .classes(let turn): ["class": String(turn[image % turn.count])]
        case .vectors(let vectors): ["label": Array(vectors.row(of: image)).digest]
        case .dropped: ["label": "dropped"]
        case .none: [:]
        }
    }

    /// As a network takes them.
    func network(_ images: [Int], of model: ModelConfiguration) -> (own: Labels, unconditional: Labels) {
        let zeros = [Float](repeating: 0, count: images.count * model.classes)
        switch self {
        case .classes(let turn):
            return (
                .classes(images.map { turn[$0 % turn.count] }),
                .classes([Int](repeating: model.classes, count: images.count))
            )
        case .vectors(let vectors): return (.continuous(images.flatMap(vectors.row)), .continuous(zeros))
        case .dropped: return (.continuous(zeros), .continuous(zeros))
        case .none: return (.none, .none)
        }
    }
}

extension Array where Element == Float {
    /// The CRC-32C of the values, as eight hexadecimal digits.
    var digest: String {
        var crc = CRC32C()
        withUnsafeBytes { crc.update($0) }
        return crc.value.hex
    }
}
