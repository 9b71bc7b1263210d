import Compute
import Diffusion
import Model
import Yams

/// A type that a field of a job can have: how it is read from YAML, written to YAML, and named in messages.
protocol JobFieldValue: Equatable, Sendable {
    /// What a person is to write, as in "wanted a whole number".
    static var wanted: String { get }
    /// The values a person chooses from, where they are few; a misspelt one is compared with them.
    static var choices: [String] { get }
    /// Nil when the node is something else.
    init?(yaml node: Node)
    /// YAML that `init(yaml:)` reads back as an equal value.
    var yaml: String { get }
}

extension JobFieldValue {
    static var choices: [String] { [] }
}

extension Node {
    /// The text of a scalar without quotes: only such ones are numbers, truth values or nothing.
    var plain: String? {
        guard let scalar, scalar.style == .plain || scalar.style == .any else { return nil }
        return scalar.string
    }

    /// Whether nothing stands here.
    var isNothing: Bool { plain.map { ["", "~", "null", "Null", "NULL"].contains($0) } ?? false }

    /// What stands here, for messages.
    var found: String {
        switch self {
        case .scalar(let scalar):
            if isNothing { return "nothing" }
            if let flag = Bool(yaml: self) { return "\(flag)" }
            if Double(yaml: self) != nil { return "the number \(scalar.string)" }
            return "the text \"\(scalar.string)\""
        case .sequence: return "a list"
        case .mapping: return "a group of keys"
        case .alias: return "an alias"
        }
    }
}

extension Int: JobFieldValue {
    static var wanted: String { "a whole number" }

    init?(yaml node: Node) {
        guard let text = node.plain, text.first != "_" else { return nil }
        self.init(text.filter { $0 != "_" })
    }

    var yaml: String { "\(self)" }
}

extension Double: JobFieldValue {
    static var wanted: String { "a number" }

    init?(yaml node: Node) {
        // Swift itself would also read hexadecimal, nan and inf.
        guard let text = node.plain, text.first != "_", text.allSatisfy({ "0123456789.eE+-_".contains($0) }),
            let value = Double(text.filter { $0 != "_" }), value.isFinite
        else { return nil }
        self = value
    }

    var yaml: String { "\(self)" }
}

extension Bool: JobFieldValue {
    static var wanted: String { "true or false" }

    init?(yaml node: Node) {
        switch node.plain {
        case "true", "True", "TRUE": self = true
        case "false", "False", "FALSE": self = false
        default: return nil
        }
    }

    var yaml: String { "\(self)" }
}

extension String: JobFieldValue {
    static var wanted: String { "a text" }

    init?(yaml node: Node) {
        guard let scalar = node.scalar, !node.isNothing else { return nil }
        self = scalar.string
    }

    /// In quotes wherever some reader of YAML might take it for anything else.
    var yaml: String {
        let first = first.map { $0.isASCII && $0.isLetter || $0 == "/" || $0 == "." } ?? false
        let safe = allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-+".contains($0)) }
        let word = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", ".inf", ".nan"].contains(lowercased())
        if first, safe, !word, Double(self) == nil { return self }
        var quoted = "\""
        for scalar in unicodeScalars {
            switch scalar.value {
            case 0x22, 0x5C: quoted += "\\\(scalar)"
            case 0x20...0x7E, 0xA0...0x2027, 0x202A...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD, 0x10000...:
                quoted.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            }
        }
        return quoted + "\""
    }
}

extension Optional: JobFieldValue where Wrapped: JobFieldValue {
    static var wanted: String { "\(Wrapped.wanted), or nothing" }
    static var choices: [String] { Wrapped.choices }

    init?(yaml node: Node) {
        if node.isNothing {
            self = Self.none
        } else if let value = Wrapped(yaml: node) {
            self = value
        } else {
            return nil
        }
    }

    var yaml: String { self?.yaml ?? "null" }
}

extension IterationRange: JobFieldValue {
    static var wanted: String { "a range of whole numbers such as [1, 12]" }

    init?(yaml node: Node) {
        guard let sequence = node.sequence, sequence.count == 2, let min = Int(yaml: sequence[0]),
            let max = Int(yaml: sequence[1])
        else { return nil }
        self.init(min, max)
    }

    var yaml: String { "[\(min), \(max)]" }
}

extension GuidanceInterval: JobFieldValue {
    static var wanted: String { "a range of training steps such as [100, 700]" }

    init?(yaml node: Node) {
        guard let range = IterationRange(yaml: node) else { return nil }
        self.init(range.min, range.max)
    }

    var yaml: String { IterationRange(lowest, highest).yaml }
}

extension Array: JobFieldValue where Element == Int {
    static var wanted: String { "a list of whole numbers such as [4, 4, 8]" }

    init?(yaml node: Node) {
        guard let sequence = node.sequence else { return nil }
        let values = sequence.compactMap { Int(yaml: $0) }
        guard values.count == sequence.count else { return nil }
        self = values
    }

    var yaml: String { "[\(map(\.yaml).joined(separator: ", "))]" }
}

/// A count of which 0 is written `auto`.
struct AutomaticCount: JobFieldValue {
    var value: Int

    static var wanted: String { "auto (or 0) or a whole number" }

    init(_ value: Int) { self.value = value }

    init?(yaml node: Node) {
        guard let value = node.plain == "auto" ? 0 : Int(yaml: node) else { return nil }
        self.value = value
    }

    var yaml: String { value == 0 ? "auto" : value.yaml }
}

extension Int {
    /// This count as one of which 0 is written `auto`.
    var orAutomatic: AutomaticCount {
        get { AutomaticCount(self) }
        set { self = newValue.value }
    }
}

/// One of a few words.
protocol JobChoice: JobFieldValue, CaseIterable, RawRepresentable where RawValue == String {}

extension JobChoice {
    static var choices: [String] { allCases.map(\.rawValue) }

    static var wanted: String { inWords(choices) }

    init?(yaml node: Node) {
        guard let text = node.scalar?.string else { return nil }
        self.init(rawValue: text)
    }

    var yaml: String { rawValue.yaml }
}

extension ModelConfiguration.Conditioning: JobChoice {}
extension DiffusionConfiguration.Schedule: JobChoice {}
extension DiffusionConfiguration.Target: JobChoice {}
extension DiffusionConfiguration.Weighting: JobChoice {}
extension DiffusionConfiguration.Loss: JobChoice {}
extension DiffusionConfiguration.FixedVariance: JobChoice {}
extension TimestepSampling: JobChoice {}
extension JobConfiguration.Data.Shuffle: JobChoice {}
extension Precision: JobChoice {}
extension MatrixLibrary: JobChoice {}
extension JobConfiguration.Optimizer.Schedule: JobChoice {}
extension SamplerKind: JobChoice {}
extension IterationAllocation: JobChoice {}
extension ActivationMode: JobChoice {}
extension SolveGradient: JobChoice {}
extension SolveMethod: JobChoice {}

/// One of a few words, of which nil is written `auto`.
struct AutomaticChoice<Choice: JobChoice>: JobFieldValue {
    var value: Choice?

    static var choices: [String] { ["auto"] + Choice.choices }
    static var wanted: String { inWords(choices) }

    init(_ value: Choice?) { self.value = value }

    init?(yaml node: Node) {
        if node.plain == "auto" {
            value = nil
        } else if let choice = Choice(yaml: node) {
            value = choice
        } else {
            return nil
        }
    }

    var yaml: String { value?.yaml ?? "auto" }
}

extension Optional where Wrapped: JobChoice {
    /// This choice as one of which nil is written `auto`.
    var orAutomatic: AutomaticChoice<Wrapped> {
        get { AutomaticChoice(self) }
        set { self = newValue.value }
    }
}

/// `a, b or c`.
func inWords(_ choices: [String]) -> String {
    guard let last = choices.last, choices.count > 1 else { return choices.first ?? "" }
    return choices.dropLast().joined(separator: ", ") + " or " + last
}
