import Foundation
import Reporting

/// A deliberate change to the job of a run: from a step on, a field that decides about bits has another value.
/// Checkpoints record all of a run's.
public struct JobChange: Codable, Equatable, Sendable {
    /// `section.key`.
    public let key: String
    /// Values as YAML.
    public let from, to: String
    /// Steps that were done when the value changed.
    public let step: Int

    public init(key: String, from: String, to: String, step: Int) {
        (self.key, self.from, self.to, self.step) = (key, from, to, step)
    }

    /// What a person is told of it.
    public var note: String { "\(key): \(from) so far, \(to) from step \(step) on; recorded" }
}

/// How a run goes on.
public struct JobResumption: Equatable, Sendable {
    public let job: ResolvedJob
    /// All changes that the run has seen, the new ones last.
    public let changes: [JobChange]
    /// Those of them that are new.
    public let recording: [JobChange]
    /// What a person should know of values that stay as an earlier change made them, one line each.
    public let notes: [String]
}

/// Differences between a job and the one that a run recorded, for which the run cannot go on.
public struct JobResumeError: Reportable, Equatable {
    /// One line each: key, recorded and new value, and what stands in the way.
    public let differences: [String]
    /// Whether one of them is about the network itself.
    public let changesModel: Bool

    public var exitCode: Int32 { Failure.Status.badData.rawValue }

    public var description: String {
        let remedy =
            changesModel
            ? "Give the recorded values. A run's network never changes: --start-from PATH, too, begins a new run from "
                + "these weights only with the same model"
            : "Give the recorded values; or --resume PATH --allow-changes records the change and goes on; or "
                + "--start-from PATH begins a new run from these weights"
        return "this job cannot go on from that checkpoint, because it would not give what the recorded job gives:\n  "
            + differences.joined(separator: "\n  ") + "\n" + remedy
    }
}

extension JobConfiguration {
    /// The job with which a run goes on where a checkpoint of it stands.
    ///
    /// What changes no bits is free. `auto` agrees with whatever was recorded. A field that has its value from before
    /// a recorded change keeps the changed one, so that a run goes on with the job file that it began with. Any other
    /// difference is refused, or with `allowingChanges` becomes a recorded change; those of the model are always
    /// refused.
    ///
    /// - Parameters:
    ///   - recorded: the job in the checkpoint.
    ///   - step: the checkpoint's.
    ///   - changes: those in the checkpoint, the earliest first.
    ///   - allowingChanges: whether differences are meant.
    ///   - explicit: keys given beside the job file: with `allowingChanges`, one of these may take an earlier change back.
    /// - Throws: `JobResumeError`; `JobErrors` where recorded values that were kept do not go with given ones.
    public func resumption(
        from recorded: ResolvedJob, at step: Int, changes: [JobChange] = [], allowingChanges: Bool = false,
        explicit: Set<String> = []
    ) throws -> JobResumption {
        var job = self
        var notes: [String] = []
        for field in Self.fields where !(allowingChanges && explicit.contains(field.name)) {
            let (old, given) = (field.value(in: recorded.configuration), field.value(in: self))
            let known = changes.filter { $0.key == field.name }
            guard old != given, let last = known.last, known.contains(where: { $0.from == given }) else { continue }
            field.copy(recorded.configuration, &job)
            notes.append("\(field.name): \(old), as changed at step \(last.step); the job file says \(given)")
        }
        let resolved = job.resolved(recorded: recorded) { _ in recorded.activations }
        let found = resolved.configuration.differences(from: recorded.configuration)
        let refused = allowingChanges ? found.filter(\.isModel) : found
        guard refused.isEmpty else {
            throw JobResumeError(
                differences: refused.map(\.description), changesModel: refused.contains(where: \.isModel))
        }
        let unfit = resolved.configuration.problems
        guard unfit.isEmpty else {
            throw JobErrors(
                unfit.map { JobError(file: "the job as the run goes on", key: $0.key, message: $0.message) })
        }
        var recording = found.map { JobChange(key: $0.key, from: $0.old, to: $0.new, step: step) }
        // More steps need no permission; those that come with changes are recorded beside them, so that the run goes on
        // with all of it when it is started again by the job file that it began with.
        let (old, new) = (recorded.training.steps, resolved.training.steps)
        if allowingChanges, old != new, !found.contains(where: { $0.key == Self.stepsKey }) {
            recording.append(JobChange(key: Self.stepsKey, from: "\(old)", to: "\(new)", step: step))
        }
        return JobResumption(job: resolved, changes: changes + recording, recording: recording, notes: notes)
    }

    /// Where this job would give other bits than a recorded one run without a stop.
    private func differences(from recorded: JobConfiguration) -> [JobDifference] {
        Self.fields.compactMap { field in
            let (old, new) = (field.value(in: recorded), field.value(in: self))
            guard old != new else { return nil }
            let reason: String
            switch field.onResume {
            case .free: return nil
            case .fixed: reason = ""
            case .grows:
                if training.steps < recorded.training.steps {
                    reason = "; it may only grow"
                } else if let end = [recorded, self].first(where: \.decaysTowardsTheEnd) {
                    reason =
                        "; the learning rates of schedule \(end.optimizer.schedule.yaml) depend on it, since "
                        + "optimizer.decaySteps is auto"
                } else {
                    return nil
                }
            }
            return JobDifference(
                key: field.name, old: old, new: new, reason: reason, isModel: field.section == "model")
        }
    }

    private static let stepsKey = "training.steps"

    private var decaysTowardsTheEnd: Bool { optimizer.schedule != .constant && optimizer.decaySteps == 0 }
}

/// A field that decides about bits, and its two values as YAML.
private struct JobDifference: CustomStringConvertible {
    let key, old, new, reason: String
    let isModel: Bool

    var description: String { "\(key): recorded \(old), now \(new)\(reason)" }
}

extension JobChange {
    /// Changes as a checkpoint records them: JSON, an array.
    public static func text(_ changes: [JobChange]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(changes), as: UTF8.self)
    }

    /// The changes that `text` wrote, of this version or an earlier one.
    ///
    /// - Throws: `DecodingError` for any other text.
    public static func list(_ text: String) throws -> [JobChange] {
        try JSONDecoder().decode([JobChange].self, from: Foundation.Data(text.utf8)).map { change in
            guard let values = JobConfiguration.newValues[change.key] else { return change }
            return JobChange(
                key: change.key, from: values[change.from] ?? change.from, to: values[change.to] ?? change.to,
                step: change.step)
        }
    }
}
