import Yams

/// One line of the table of fields: a key of a job file, what it means, and its way into the typed value.
public struct JobField: Sendable {
    /// Whether a run that goes on may have another value than it began with.
    public enum OnResume: Sendable {
        /// Another value gives other bits.
        case fixed
        /// Changes nothing that is computed.
        case free
        /// May only grow.
        case grows
    }

    public let section: String
    public let key: String
    /// One line.
    public let documentation: String
    /// What a person may write.
    public let type: String
    /// The default as YAML; nil where the file must say.
    public let standard: String?
    public let onResume: OnResume

    /// Reads a value into the job, or says what is wrong with it.
    let read: @Sendable (Node, inout JobConfiguration) -> String?
    /// The value as YAML.
    let write: @Sendable (JobConfiguration) -> String
    /// What is wrong with the value by itself.
    let check: @Sendable (JobConfiguration) -> String?

    /// Section and key, as messages and overrides name a field.
    public var name: String { "\(section).\(key)" }
    /// Whether a shell's `--set` passes its text through untouched.
    let isText: Bool

    /// The field's value in a job, as YAML.
    public func value(in job: JobConfiguration) -> String { write(job) }

    init<Value: JobFieldValue>(
        _ section: String, _ key: String, _ path: WritableKeyPath<JobConfiguration, Value> & Sendable,
        _ documentation: String, _ limit: JobLimit<Value>? = nil, required: Bool = false, onResume: OnResume = .fixed
    ) {
        self.section = section
        self.key = key
        self.documentation = documentation
        self.onResume = onResume
        type = limit.map { "\(Value.wanted), \($0.text)" } ?? Value.wanted
        standard = required ? nil : JobConfiguration()[keyPath: path].yaml
        isText = Value.self == String.self || Value.self == String?.self
        read = { node, job in
            guard let value = Value(yaml: node) else {
                let meant = node.scalar.flatMap { nearest(to: $0.string, among: Value.choices) }
                let hint = meant.map { "; did you mean \($0)?" } ?? ""
                return "found \(node.found), wanted \(Value.wanted)\(hint)"
            }
            job[keyPath: path] = value
            return nil
        }
        write = { $0[keyPath: path].yaml }
        check = { job in
            let value = job[keyPath: path]
            if required, value.yaml == "\"\"" { return "is required; give it in the job file or by --set" }
            guard let limit, !limit.holds(value) else { return nil }
            return "must be \(limit.text), is \(value.yaml)"
        }
    }
}

/// A section of the table of fields.
public struct JobSection: Sendable {
    public let key: String
    /// One line.
    public let documentation: String
    public let fields: [JobField]
}

/// What a field's value must be whatever the others are.
struct JobLimit<Value: Sendable>: Sendable {
    /// Follows "must be".
    let text: String
    let holds: @Sendable (Value) -> Bool
}

extension JobLimit where Value == Int {
    static func atLeast(_ least: Int) -> Self { Self(text: "at least \(least)") { $0 >= least } }
    static func within(_ range: ClosedRange<Int>) -> Self {
        Self(text: "from \(range.lowerBound) to \(range.upperBound)") { range.contains($0) }
    }
}

extension JobLimit where Value == Int? {
    static func atLeast(_ least: Int) -> Self { Self(text: "at least \(least)") { ($0 ?? least) >= least } }
}

extension JobLimit where Value == AutomaticCount {
    static var notNegative: Self { Self(text: "at least 0") { $0.value >= 0 } }

    static func upTo(_ most: Int) -> Self {
        Self(text: "from 1 to \(most)") { 0...most ~= $0.value }
    }
}

extension JobLimit where Value == Double {
    static var positive: Self { Self(text: "more than 0") { $0 > 0 && $0.isFinite } }
    static var notNegative: Self { Self(text: "at least 0") { $0 >= 0 && $0.isFinite } }
    static var fraction: Self { Self(text: "from 0 to 1") { $0 >= 0 && $0 <= 1 } }
    static var belowOne: Self { Self(text: "at least 0 and less than 1") { $0 >= 0 && $0 < 1 } }
    static func positive(upTo most: Int) -> Self {
        Self(text: "more than 0 and at most \(most)") { $0 > 0 && $0 <= Double(most) }
    }
}

extension JobLimit where Value == IterationRange {
    static func atLeast(_ least: Int) -> Self {
        Self(text: "in order, both from \(least) to 10000") {
            $0.min >= least && $0.min <= $0.max && $0.max <= 10_000
        }
    }
}
