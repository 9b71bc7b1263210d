import Yams

/// One line of the table of fields: a key of a job file, what it means, and its way into the typed value.
public struct JobField: Sendable {
    /// Whether a run that goes on may have another value than it began with.
    public enum OnResume: Sendable {
        /// Another value gives other bits: refused, unless the change is made on purpose and recorded.
        case fixed
        /// Another value changes no bits.
        case free
        /// May grow; another change counts as one of `fixed`.
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

    /// Takes the value over from another job.
    let copy: @Sendable (_ from: JobConfiguration, _ to: inout JobConfiguration) -> Void
    /// Values at the ends of the limit, and just beyond them; none where there is no limit.
    let ends: JobEnds

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
        copy = { $1[keyPath: path] = $0[keyPath: path] }
        ends = JobEnds(
            allowed: limit?.allowed.map(\.yaml) ?? [], refused: limit?.refused.map(\.yaml) ?? [])
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

/// Values about the ends of a limit, as YAML.
struct JobEnds: Sendable {
    let allowed: [String]
    let refused: [String]
}
