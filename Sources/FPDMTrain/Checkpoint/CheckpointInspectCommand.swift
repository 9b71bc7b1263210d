import ArgumentParser
import Checkpoints
import Jobs
import Model

struct CheckpointInspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Say what a checkpoint is.",
        discussion: "All its bytes are checked on the way; exit code 65 if they are not as they were written.")

    @Argument(help: "A checkpoint's folder, or a run's.") var path: String
    @Flag(help: "Also list every tensor, with shape, root mean square, least, greatest and number of NaNs.")
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
            ["step", grouped(metadata.step)],
            ["model", inspection.model ?? "not understood: its job is of another version"],
        ]
        if let parameters = inspection.parameters { rows.append(["parameters", grouped(parameters)]) }
        rows += [
            ["world size", String(metadata.worldSize)],
            ["hosts", metadata.hosts.joined(separator: " ")],
            ["created", "\(metadata.created), fpdm \(metadata.version)"],
            ["on disk", "\(grouped(inspection.bytes)) bytes, \(inspection.rankFiles) rank file(s)"],
        ]
        rows += inspection.groups.map { [$0.name, "\($0.tensors) tensors, \(grouped($0.values)) values"] }
        rows += metadata.environment.sorted { $0.key < $1.key }.map { [$0.key, $0.value] }
        guard let tensors = inspection.tensors else { return table(rows, texts: 2) }
        let listed = tensors.map { tensor in
            [
                "\(tensor.group)/\(tensor.name)", "\(tensor.shape)", significant(tensor.rms, 6),
                significant(tensor.minimum, 6),
                significant(tensor.maximum, 6), String(tensor.nan),
            ]
        }
        let head = ["tensor", "shape", "rms", "min", "max", "NaN"]
        return table(rows, texts: 2) + "\n\n" + table([head] + listed, texts: 2)
    }
}
