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
    @Flag(help: "Also list every tensor: shape; rms, min and max of finite values; numbers of NaN and infinite ones.")
    var tensors = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let reader = try CheckpointSupport.open(path)
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
        guard let tensors = inspection.tensors else { return table(rows, texts: 2) }
        let listed = tensors.map { tensor in
            [
                "\(tensor.group)/\(tensor.name)", "\(tensor.shape)", significant(tensor.rms, 6),
                significant(tensor.minimum, 6), significant(tensor.maximum, 6), String(tensor.nan),
                String(tensor.infinite),
            ]
        }
        let head = ["tensor", "shape", "rms", "min", "max", "NaN", "inf"]
        return table(rows, texts: 2) + "\n\n" + table([head] + listed, texts: 2)
    }
}
