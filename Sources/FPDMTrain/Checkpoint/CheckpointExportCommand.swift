import ArgumentParser
import Jobs
import Model
import Sampling

extension SavedWeights: ExpressibleByArgument {
    public init?(argument: String) { self.init(rawValue: argument == "average" ? Self.ema.rawValue : argument) }
}

struct CheckpointExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a checkpoint's weights as safetensors, under the published names.",
        discussion: """
            The file also records the job, so that fpdm checkpoint import, fpdm apply and fpdm train --start-from know \
            its network.
            """)

    @Argument(help: "A checkpoint's folder, or a run's.") var path: String
    @Option(help: "The file to write; it must not exist.") var output: String
    @Option(help: "The moving average of the weights (ema), or the weights themselves (model).")
    var weights: SavedWeights = .ema

    func run() throws {
        try Session.requireOneProcess("checkpoint export")
        try Output.requireNew(output)
        let reader = try CheckpointSupport.open(path)
        let table = ParameterTable(try JobConfiguration.recorded(reader.metadata.jobYAML, in: reader.path).model)
        try WeightsExport.write(reader, weights: weights, to: output, table: table)
        print("\(output): \(weights.rawValue) of step \(reader.metadata.step), \(reader.path)")
    }
}
