import ArgumentParser
import Checkpoints
import Jobs
import Model
import Reporting

struct CheckpointInspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Say what a checkpoint is.",
        discussion: "All its bytes are checked on the way; exit code 65 if they are not as they were written.")

    @Argument(help: "A checkpoint's folder, or a run's.") var path: String
    @Flag(
        help: """
            Also list every tensor, which reads all of them again: shape; norm (the root of the sum of squares), mean, \
            standard deviation, least and largest of the finite values; numbers of NaN and infinite ones.
            """)
    var tensors = false
    @Flag(help: "Print the recorded job, as YAML, and nothing else.") var job = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        if job, tensors || json { throw ValidationError("--job prints the job and nothing else") }
    }

    func run() throws {
        try Session.requireOneProcess("checkpoint inspect")
        let reader = try CheckpointSupport.open(path)
        if job { return print(reader.metadata.jobYAML, terminator: "") }
        let model = try? JobConfiguration.recorded(reader.metadata.jobYAML, in: reader.path).model
        let inspection = try CheckpointInspection(
            reader, model: model.map { ($0.inWords, ParameterTable($0).trainableCount) }, tensors: tensors)
        if json { try Console.printJSON(inspection) } else { print(text(inspection)) }
    }

    private func text(_ inspection: CheckpointInspection) -> String {
        let metadata = inspection.metadata
        var rows = [
            ["checkpoint", inspection.path],
            ["step", metadata.step.grouped],
            ["updates", metadata.updates.grouped],
            ["model", inspection.model ?? "not understood: its job is of another version"],
        ]
        if let parameters = inspection.parameters { rows.append(["parameters", parameters.grouped]) }
        rows += [
            ["world size", String(metadata.worldSize)],
            ["hosts", metadata.hosts.joined(separator: " ")],
            ["created", "\(metadata.created), fpdm \(metadata.version), format \(metadata.format)"],
            ["on disk", "\(inspection.bytes.grouped) bytes, \(inspection.rankFiles) rank file(s)"],
        ]
        if metadata.skippedInARow > 0 { rows.append(["skipped in a row", metadata.skippedInARow.grouped]) }
        if !metadata.dataset.isEmpty { rows.append(["data set", metadata.dataset]) }
        if metadata.changes != "[]" { rows.append(["changes", metadata.changes]) }
        rows += inspection.groups.map { [$0.name, "\($0.tensors) tensors, \($0.values.grouped) values"] }
        rows += metadata.environment.sorted { $0.key < $1.key }.map { [$0.key, $0.value] }
        let groups = inspection.tensors.map { tensors in inspection.groups.map { text($0.name, tensors) } } ?? []
        return ([table(rows, texts: 2)] + groups).joined(separator: "\n\n")
    }

    /// A table for each group: names without it, and shapes without spaces, leave a line shorter than 120 columns.
    private func text(_ group: String, _ tensors: [CheckpointInspection.Tensor]) -> String {
        let own = tensors.filter { $0.group == group }
        let isFinite = own.allSatisfy { $0.nan + $0.infinite == 0 }
        let rows = own.map { tensor in
            let numbers = [tensor.norm, tensor.mean, tensor.deviation, tensor.minimum, tensor.maximum]
            return [tensor.name, tensor.shape.map(String.init).joined(separator: "x")]
                + numbers.map { significant($0, 3) } + (isFinite ? [] : [String(tensor.nan), String(tensor.infinite)])
        }
        let type = Set(own.map(\.type)).sorted().joined(separator: ", ")
        let head =
            ["\(group) (\(type))", "shape", "norm", "mean", "std", "min", "max"] + (isFinite ? [] : ["NaN", "inf"])
        return table([head] + rows, texts: 2)
    }
}
