import Model
import Reporting

extension JobConfiguration {
    /// The job that a checkpoint or a file of samples records as text, written by this version or an earlier one.
    ///
    /// What only a new run must keep to is not asked of it: limits on how a run trains may have been others when it
    /// was recorded.
    ///
    /// - Parameters:
    ///   - yaml: the recorded text.
    ///   - place: the path of what records it, for messages.
    ///   - overrides: `section.key=value` each.
    /// - Throws: `JobErrors` for a bad override; `Failure`, bad data, where the text is not understood.
    public static func recorded(
        _ yaml: String, in place: String, overrides: [String] = []
    ) throws -> JobConfiguration {
        do {
            return try parse(
                yaml: upgraded(yaml), name: "the job in \(place)", overrides: overrides,
                judging: ["model", "diffusion", "data", "sampling"])
        } catch let errors as JobErrors where errors.cause != .usage {
            let first = errors.errors.first.map(\.description) ?? ""
            throw Failure(.badData, "\(place): this program does not understand its job: \(first)")
        }
    }

    /// Fields that had other names in earlier versions, by those.
    static let newNames = ["training.gradientShards": "training.virtualRanks"]

    /// Values of a field that were written otherwise in earlier versions, by those.
    static let newValues = ["data.shuffle": ["true": "full", "false": "none"]]

    /// A recorded text, which stands on a line a field, with the names and values of now.
    private static func upgraded(_ yaml: String) -> String {
        func key(_ name: String) -> String { "  \(name.drop { $0 != "." }.dropFirst()): " }
        return yaml.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            if let (name, values) = newValues.first(where: { line.hasPrefix(key($0.key)) }),
                let value = values[String(line.dropFirst(key(name).count))]
            {
                return key(name) + value
            }
            guard let (old, new) = newNames.first(where: { line.hasPrefix(key($0.key)) }) else { return String(line) }
            return key(new) + line.dropFirst(key(old).count)
        }.joined(separator: "\n")
    }
}

extension ResolvedJob {
    /// The job that a checkpoint records as text: see `JobConfiguration.recorded`.
    ///
    /// - Parameter place: the path of the checkpoint, for messages.
    /// - Throws: `Failure`, bad data, where the text is not understood or leaves a choice open.
    public static func recorded(_ yaml: String, in place: String) throws -> ResolvedJob {
        let job = try JobConfiguration.recorded(yaml, in: place)
        func open(_ key: String) -> Failure {
            Failure(.badData, "\(place): its job leaves \(key) open, as no run records it; it was changed by hand")
        }
        guard job.training.epochs == nil else { throw open("training.steps") }
        guard job.training.microbatch > 0 else { throw open("training.microbatch") }
        guard job.data.shuffle != nil else { throw open("data.shuffle") }
        guard job.training.precision != nil else { throw open("training.precision") }
        return try job.resolved { _ in throw open("training.activations") }
    }
}

extension ModelConfiguration {
    /// Refuses weights that were recorded with the job of another network: heads, for one, show in no tensor's shape.
    ///
    /// - Parameters:
    ///   - yaml: the recorded text; nil where there is none, which is no reason to refuse.
    ///   - place: the path of the weights, for messages.
    /// - Throws: `Failure`, bad data.
    public func requireNetwork(recordedIn yaml: String?, of place: String) throws {
        guard let yaml else { return }
        let recorded = try JobConfiguration.recorded(yaml, in: place).model
        var (there, here) = (JobConfiguration(), JobConfiguration())
        (there.model, here.model) = (recorded.withoutIgnored, withoutIgnored)
        let differences = JobConfiguration.fields.filter { $0.section == "model" }.compactMap { field in
            let (old, new) = (field.value(in: there), field.value(in: here))
            return old == new ? nil : "\(field.name) is \(old) there and \(new) here"
        }
        guard differences.isEmpty else {
            throw Failure(.badData, "\(place): holds weights of another model: \(differences.joined(separator: ", "))")
        }
    }
}
